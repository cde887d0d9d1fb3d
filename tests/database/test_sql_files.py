"""What stands in `migrations/sql` is what the database runs, to the character."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import text as words
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import asyncpg

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
    assert [name for name, body in bodies.items() if r"\:" in body] == []
    assert [name for name, body in bodies.items() if body not in path_of(name, latest_version(name)).read_text()] == []


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("SELECT a::text", "SELECT a::text"),
        ("'elevate:email:' || x", "'elevate:email:' || x"),
        ("' :name'", r"' \:name'"),
        ("x := y", "x := y"),
        ("'submission:' || id || ':approved:v1'", "'submission:' || id || ':approved:v1'"),
        ("':word:more'", "':word:more'"),
        ("a[1:n]", "a[1:n]"),
    ],
)
def test_a_colon_is_escaped_only_where_it_would_be_read_as_a_parameter(written: str, given: str) -> None:
    assert _literal(written) == given
    assert as_sent(written) == written


@pytest.mark.parametrize("path", sorted((migrations_dir() / "sql").glob("*.sql")), ids=lambda path: path.name)
def test_a_file_reaches_the_server_to_the_character(path: Path) -> None:
    """Every version, those that the database of `test_every_functions_body_is_its_files` has no more too."""
    written = path.read_text(encoding="utf-8")
    assert as_sent(written) == written


@given(words(alphabet="\\\\::ab1_$' \n", max_size=20))
def test_whatever_stands_in_a_file_reaches_the_server_to_the_character(written: str) -> None:
    assert as_sent(written) == written


def as_sent(written: str) -> str:
    """What Alembic's `op.execute` makes of it."""
    return str(text(_literal(written)).compile(dialect=asyncpg.dialect()))  # type: ignore[no-untyped-call]
