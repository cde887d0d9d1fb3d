"""What stands in `migrations/sql` is what the database runs, to the character."""

import pytest
from sqlalchemy import text

from elevate_api.kit.db import Database
from elevate_api.kit.sqlfiles import _literal, latest_version, migrations_dir, path_of


async def test_every_functions_body_is_its_files(owner: Database) -> None:
    async with owner.session() as session:
        functions = await session.execute(
            text("""
                SELECT proname, prosrc FROM pg_proc p
                WHERE pronamespace = 'public'::regnamespace
                  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')""")
        )
        bodies = {row.proname: row.prosrc for row in functions}
    names = {path.name.split(".")[0] for path in (migrations_dir() / "sql").glob("*.[0-9][0-9].sql")}
    assert bodies.keys() <= names
    assert [name for name, body in bodies.items() if body not in path_of(name, latest_version(name)).read_text()] == []


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("SELECT a::text", "SELECT a::text"),
        ("'elevate:email:' || x", "'elevate:email:' || x"),
        ("' :name'", r"' \:name'"),
        ("x := y", "x := y"),
    ],
)
def test_a_colon_is_escaped_only_where_it_would_be_read_as_a_parameter(written: str, given: str) -> None:
    assert _literal(written) == given
