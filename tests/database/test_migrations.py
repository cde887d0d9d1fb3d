"""Upgrade, downgrade to base, upgrade again; models, SQL files and database agree."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Table, text
from tests.database.conftest import Connect
from tests.support.cluster import OWNER, Administrator, Cluster, migrate, outside_the_loop
from tests.support.racing import race
from tests.support.sql import Connection, refused

from elevate_api.kit import sqlfiles
from elevate_api.kit.db import Address, Database
from elevate_api.kit.orm import Base
from elevate_api.models import MODELS
from elevate_api.ops import migrations
from elevate_api.ops.schema_check import differences, open_doors

EVERYTHING = """
    SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL SELECT 'relation ' || c.oid::regclass FROM pg_class c, pg_namespace n
      WHERE n.oid = c.relnamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL SELECT 'function ' || p.oid::regprocedure FROM pg_proc p, pg_namespace n
      WHERE n.oid = p.pronamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL SELECT 'type ' || t.oid::regtype FROM pg_type t, pg_namespace n
      WHERE n.oid = t.typnamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL SELECT 'policy ' || polname || ' on ' || polrelid::regclass FROM pg_policy
    UNION ALL SELECT 'large object ' || oid FROM pg_largeobject_metadata
"""
SQL_FILES = sorted({path.name.split(".")[0] for path in (sqlfiles.migrations_dir() / "sql").glob("*.[0-9][0-9].sql")})


@pytest.fixture
def address(cluster: Cluster, blank_database: str) -> Address:
    return cluster.address(blank_database, OWNER)


@pytest.fixture
async def blank(blank_database: str, connect: Connect) -> Connection:
    return await connect(OWNER, blank_database)


def down(address: Address, revision: str = "base") -> None:
    outside_the_loop(lambda: migrations.downgrade(address, revision))


def dump(cluster: Cluster, address: Address) -> list[str]:
    """The schema as pg_dump writes it, without comments and the token that newer ones make up each time."""
    done = subprocess.run(
        [cluster.tool("pg_dump"), "--schema-only", "-d", address.libpq()], capture_output=True, text=True, check=True
    )
    lines = (line for line in done.stdout.splitlines() if line and not line.startswith(("--", "\\")))
    return list(lines)


def revisions() -> list[str]:
    return list(migrations.state_of(None).pending)


async def left(connection: Connection) -> set[str]:
    return {row[0] for row in await connection.fetch(EVERYTHING)}


def test_up_down_and_up_again_leave_the_same_schema(cluster: Cluster, address: Address) -> None:
    migrate(address)
    first = dump(cluster, address)
    assert any("CREATE TABLE public.points_ledger" in line for line in first)
    down(address)
    migrate(address)
    assert dump(cluster, address) == first


def test_each_step_back_and_forth_leaves_the_same_schema(cluster: Cluster, address: Address) -> None:
    for revision in revisions():
        migrate(address, revision)
        before = dump(cluster, address)
        down(address, "-1")
        migrate(address, revision)
        assert dump(cluster, address) == before, revision


async def test_downgrade_to_base_leaves_nothing_of_ours(blank: Connection, address: Address) -> None:
    before = await left(blank)
    migrate(address)
    assert len(await left(blank)) > len(before) + 50
    down(address)
    remains = {thing for thing in await left(blank) - before if "alembic_version" not in thing}
    assert remains == set()


async def test_downgrade_works_on_a_database_with_data(owner: Database, cluster: Cluster, database_name: str) -> None:
    async with owner.session() as session:
        await session.execute(text("INSERT INTO users (id, handle) VALUES ('a', 'ayu')"))
        await session.execute(text("SELECT refresh_all_analytics()"))
    down(cluster.address(database_name))
    async with owner.session() as session:
        assert await session.scalar(text("SELECT to_regclass('users')")) is None


def test_models_and_database_agree(cluster: Cluster, database_name: str) -> None:
    """`alembic check`: raises with what it would have generated."""
    config = migrations.alembic_config(cluster.address(database_name))
    outside_the_loop(lambda: command.check(config))


def _defaults() -> Iterator[tuple[str, str, str]]:
    for model in MODELS:
        table = model.__table__
        assert isinstance(table, Table)
        for column in table.columns:
            clause = (
                column.computed.sqltext if column.computed is not None else getattr(column.server_default, "arg", None)
            )
            if clause is not None:
                yield table.name, column.name, _plain(str(clause))


def _plain(expression: str) -> str:
    """Without the casts, quotes and brackets that PostgreSQL prints around."""
    return re.sub(r"::[a-z]+|[()'\s]", "", expression).replace("ELSENULLEND", "END")


async def test_defaults_of_models_are_those_of_the_database(operator: Connection) -> None:
    """`alembic check` leaves them out: PostgreSQL prints them its own way."""
    rows = await operator.fetch(
        "SELECT adrelid::regclass::text, attname, pg_get_expr(adbin, adrelid) FROM pg_attrdef"
        " JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum"
    )
    models = {table.name for table in Base.metadata.tables.values()}
    live = {(row[0], row[1], _plain(row[2])) for row in rows if row[0] in models}
    assert set(_defaults()) == live


async def test_a_migrated_database_does_not_differ_from_its_migrations(owner: Database) -> None:
    async with owner.engine.connect() as connection:
        assert await differences(connection) == []
        assert await open_doors(connection) == []


async def test_a_function_in_the_database_is_the_latest_file(operator: Connection) -> None:
    bodies = {row[0]: row[1] for row in await operator.fetch(
        "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = pg_proc.oid AND d.deptype = 'e')"
    )}  # fmt: skip
    files = {}
    for name in SQL_FILES:
        body = re.search(r"\$\$(.*)\$\$", sqlfiles.statements(name)[0], re.DOTALL)
        if body is not None:
            files[name] = body[1]
    assert bodies == files


async def test_a_view_in_the_database_is_the_latest_file(operator: Connection) -> None:
    views = [row[0] for row in await operator.fetch("SELECT matviewname FROM pg_matviews WHERE schemaname = 'public'")]
    assert set(views) <= set(SQL_FILES)
    await operator.execute("CREATE SCHEMA latest")
    definition = "SELECT pg_get_viewdef($1::text::regclass)"
    for name in views:
        await operator.execute("SET search_path = latest, public")
        await operator.execute(sqlfiles.statements(name)[0])
        await operator.execute("SET search_path = public")
        assert await operator.fetchval(definition, f"latest.{name}") == await operator.fetchval(definition, name), name


@pytest.mark.parametrize("name", SQL_FILES)
def test_an_sql_file_says_how_it_is_dropped(name: str) -> None:
    for version in range(1, sqlfiles.latest_version(name) + 1):
        assert re.fullmatch(
            rf"DROP (FUNCTION|(MATERIALIZED )?VIEW) {name}(\([a-z_, \[\]]*\))?", sqlfiles.drop_statement(name, version)
        )


async def test_two_deploys_at_once_wait_for_each_other(administrator: Administrator, address: Address) -> None:
    results = await race(*(asyncio.to_thread(_upgrade_elsewhere, address) for _ in range(2)))
    assert results == [0, 0]
    database = Database(address, pooled=False)
    async with database.session() as session:
        assert await migrations.read_current(session) == migrations.head()
    await database.dispose()


def _upgrade_elsewhere(address: Address) -> int:
    """A process of its own: Alembic's context is one for a process."""
    script = "import sys; from elevate_api.kit.db import Address; from elevate_api.ops import migrations;"
    script += " migrations.upgrade(Address.parse(sys.argv[1]))"
    return subprocess.run([sys.executable, "-c", script, address.libpq()], check=False).returncode


def test_migrating_again_changes_nothing(cluster: Cluster, database_name: str) -> None:
    address = cluster.address(database_name)
    before = dump(cluster, address)
    migrate(address)
    assert dump(cluster, address) == before


def test_the_state_says_what_is_pending() -> None:
    fresh = migrations.state_of(None)
    assert not fresh.up_to_date
    assert fresh.pending[0] == "0001"
    assert fresh.pending[-1] == fresh.head == migrations.head()
    assert migrations.state_of(fresh.head).up_to_date
    assert migrations.state_of(fresh.head).pending == ()


def test_a_newer_database_is_recognised() -> None:
    state = migrations.state_of("9999")
    assert state.ahead
    assert not state.up_to_date


async def test_an_empty_database_has_no_revision(address: Address) -> None:
    database = Database(address, pooled=False)
    async with database.session() as session:
        assert await migrations.read_current(session) is None
        assert await session.scalar(text("SELECT 1")) == 1
    await database.dispose()


def test_one_head() -> None:
    """Two people who both add a migration find out here."""
    assert len(revisions()) == len(list((sqlfiles.migrations_dir() / "versions").glob("[0-9]*.py")))


def test_migrations_name_no_schema() -> None:
    """Their tables go where the search path says, so the schema check can build them beside the live ones."""
    for path in (sqlfiles.migrations_dir() / "versions").glob("*.py"):
        named = re.findall(r"(?:TABLE|INDEX|VIEW|TRIGGER|INTO|ON|UPDATE|FROM|JOIN)\s+public\.", Path(path).read_text())
        assert named == [], path.name


async def test_rules_hold_right_after_migrating(blank: Connection, address: Address) -> None:
    migrate(address)
    await blank.execute("INSERT INTO activities (code, name, default_points) VALUES ('LEARN', 'Learn', 20)")
    await blank.execute("INSERT INTO users (id, handle) VALUES ('a', 'ayu')")
    await blank.execute(
        "INSERT INTO points_ledger (user_id, activity_code, source, delta_points) VALUES ('a', 'LEARN', 'FORM', 20)"
    )
    with refused("points_ledger_append_only"):
        await blank.execute("DELETE FROM points_ledger")
