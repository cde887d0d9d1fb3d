"""Who may reach what: the service has the least rights, the roles of a hosted Data API none."""

from collections import defaultdict

import asyncpg
import pytest
from tests.database.conftest import Connect
from tests.support.cluster import ANONYMOUS, OWNER, SERVICE, SUPERUSER
from tests.support.sql import Connection, add_person, award

from elevate_api.kit.sqlfiles import migrations_dir

RELATIONS = """
    SELECT relname, relkind::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = pg_class.oid AND d.deptype = 'e')
    ORDER BY relname
"""
CALLS = """
    SELECT format('SELECT %s(%s)', p.oid::regproc,
                  (SELECT string_agg(format('NULL::%s', format_type(t.oid, NULL)), ', ' ORDER BY n)
                   FROM unnest(p.proargtypes) WITH ORDINALITY AS t (oid, n)))
    FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
"""
ADD_ONLY = {"points_ledger", "point_adjustments", "audit_log", "analytics_refreshes"}
READ_ONLY = {"alembic_version", "app_settings"}
KEPT = {"users", "activities", "submissions", "badges", "earned_badges", "kajabi_events"}


@pytest.fixture
async def stranger(request: pytest.FixtureRequest, connect: Connect) -> Connection:
    """A connection as anon or authenticated: they have no login, a gateway becomes them."""
    connection = await connect(SUPERUSER)
    await connection.execute(f"SET ROLE {request.param}")
    return connection


STRANGERS = pytest.mark.parametrize("stranger", ANONYMOUS, indirect=True)


@STRANGERS
async def test_strangers_reach_no_table_and_no_view(stranger: Connection) -> None:
    tried = 0
    for name, kind in await stranger.fetch(RELATIONS):
        statements = [f"SELECT FROM {name}"]
        if kind in "rp":
            statements += [f"INSERT INTO {name} DEFAULT VALUES", f"DELETE FROM {name}", f"TRUNCATE {name} CASCADE"]
            statements += [f"COPY {name} TO STDOUT", f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"]
        for statement in statements:
            tried += 1
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await stranger.execute(statement)
    assert tried > 6 + 6 * 13  # six views, the tables of the manual and ours


@STRANGERS
async def test_strangers_call_no_function(stranger: Connection) -> None:
    calls = [row[0] for row in await stranger.fetch(CALLS)]
    assert len(calls) >= 15
    for call in calls:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for function"):
            await stranger.execute(call)


@STRANGERS
async def test_a_grant_by_mistake_still_shows_no_row(stranger: Connection, operator: Connection, person: str) -> None:
    """Row level security is the second lock on the door."""
    await operator.execute("GRANT SELECT, UPDATE, DELETE, INSERT ON users TO anon, authenticated")
    assert await operator.fetchval("SELECT count(*) FROM users") == 1
    assert await stranger.fetchval("SELECT count(*) FROM users") == 0
    assert await stranger.execute("DELETE FROM users") == "DELETE 0"
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await stranger.execute("INSERT INTO users (id, handle) VALUES ('x', 'xyz')")


async def test_row_level_security_is_on_for_every_table(operator: Connection) -> None:
    off = await operator.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relrowsecurity"
    )
    assert off == []


async def test_no_function_is_open_to_the_public(operator: Connection) -> None:
    found = await operator.fetch(
        "SELECT p.proname FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
        " WHERE p.pronamespace = 'public'::regnamespace AND a.grantee = 0"
        " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
    )
    assert found == []


async def test_the_service_has_the_least_rights(operator: Connection) -> None:
    rows = await operator.fetch(
        """SELECT c.relname, c.relkind::text, a.privilege_type FROM pg_class c, aclexplode(c.relacl) a
           WHERE c.relnamespace = 'public'::regnamespace AND a.grantee = 'elevate_app'::regrole""",
    )
    rights: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name, kind, privilege in rows:
        rights[name, kind].add(privilege)
    assert {name for name, _ in rights} >= ADD_ONLY | READ_ONLY | KEPT
    for (name, kind), found in rights.items():
        allowed = {"SELECT"}
        if kind == "r" and name not in READ_ONLY:
            allowed |= {"INSERT"} if name in ADD_ONLY else {"INSERT", "UPDATE"}
            allowed |= set() if name in ADD_ONLY | KEPT else {"DELETE"}
        assert {"SELECT"} <= found <= allowed, name


DDL = [
    "CREATE TABLE mine (id int)",
    "CREATE SCHEMA mine",
    "CREATE VIEW mine AS SELECT 1 AS one",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TYPE mine AS ENUM ('a')",
    "CREATE SEQUENCE mine",
    "CREATE INDEX mine ON users (name)",
    "CREATE RULE mine AS ON DELETE TO points_ledger DO INSTEAD NOTHING",
    "CREATE POLICY mine ON users USING (true)",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "DROP EXTENSION plpgsql",
    "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION append_only()",
    "CREATE TRIGGER mine BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION touch_updated_at()",
    "ALTER TABLE users ADD mine int",
    "ALTER TABLE points_ledger DISABLE TRIGGER points_ledger_append_only",
    "ALTER TABLE points_ledger DISABLE TRIGGER ALL",
    "ALTER TABLE users DISABLE ROW LEVEL SECURITY",
    "ALTER FUNCTION append_only() RENAME TO mine",
    "CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "DROP TABLE job_runs",
    "DROP TRIGGER submissions_before_insert ON submissions",
    "DROP FUNCTION restoring()",
    "DROP MATERIALIZED VIEW leaderboard_totals",
    "DROP INDEX submissions_one_active_learn",
    "DROP SCHEMA public CASCADE",
    "REFRESH MATERIALIZED VIEW leaderboard_totals",
    "REASSIGN OWNED BY elevate TO elevate_app",
    "COMMENT ON TABLE users IS 'mine'",
    "SET session_replication_role = replica",
    "ALTER SYSTEM SET fsync = off",
    "COPY users TO PROGRAM 'cat'",
    "COPY users FROM '/etc/passwd'",
    "SELECT pg_read_file('/etc/passwd')",
    "DO 'BEGIN LOCK TABLE points_ledger IN ACCESS EXCLUSIVE MODE; END'",
    "UPDATE alembic_version SET version_num = 'x'",
    "UPDATE app_settings SET value = '1000'",
    "DELETE FROM users",
    "DELETE FROM submissions",
    "UPDATE audit_log SET action = 'x'",
    "DELETE FROM audit_log",
    "DELETE FROM earned_badges",
]


async def test_the_service_changes_no_schema_no_rule_and_no_history(service: Connection) -> None:
    allowed = []
    for statement in DDL:
        try:
            await service.execute(statement)
        except asyncpg.InsufficientPrivilegeError:
            continue
        allowed.append(statement)
    assert allowed == []


async def test_the_service_passes_no_right_on(service: Connection, operator: Connection) -> None:
    """PostgreSQL only warns where a grantor has nothing to give."""
    rights = "SELECT array_agg(relacl::text ORDER BY oid) FROM pg_class"
    before = await operator.fetchval(rights)
    await service.execute("GRANT SELECT ON users TO anon")
    await service.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC")
    assert await operator.fetchval(rights) == before


async def test_the_service_truncates_nothing(service: Connection) -> None:
    for name, kind in await service.fetch(RELATIONS):
        if kind in "rp":
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await service.execute(f"TRUNCATE {name} CASCADE")


async def test_the_service_refreshes_through_the_function(service: Connection, person: str) -> None:
    await award(service, person, 20)
    results = await service.fetch("SELECT * FROM refresh_all_analytics()")
    assert [row["ok"] for row in results] == [True] * 6
    assert await service.fetchval("SELECT total_points FROM leaderboard_totals") == 20


async def test_the_service_refreshes_no_other_view(service: Connection) -> None:
    for name in ("users", "points_ledger; DROP TABLE users", "public.leaderboard_totals", ""):
        with pytest.raises(asyncpg.InvalidParameterValueError, match="no such analytics view"):
            await service.fetch("SELECT refresh_analytics_view($1)", name)


async def test_a_table_of_the_next_migration_is_closed_by_the_access_rules(
    operator: Connection, connect: Connect
) -> None:
    """A hosted project's default privileges open it to everybody; the rules run after every migration."""
    await operator.execute("CREATE TABLE notes (id int PRIMARY KEY, said text)")
    await operator.execute("INSERT INTO notes VALUES (1, 'x')")
    stranger = await connect(SUPERUSER)
    await stranger.execute("SET ROLE anon")
    assert await stranger.fetchval("SELECT count(*) FROM notes") == 1
    await operator.execute((migrations_dir() / "sql" / "access.sql").read_text())
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await stranger.execute("SELECT FROM notes")
    service = await connect(SERVICE)
    assert await service.fetchval("SELECT count(*) FROM notes") == 1


async def test_the_access_rules_may_run_again(operator: Connection, service: Connection) -> None:
    rights = "SELECT relname, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    before = await operator.fetch(rights)
    for _ in range(2):
        await operator.execute((migrations_dir() / "sql" / "access.sql").read_text())
    assert await operator.fetch(rights) == before
    assert await add_person(service, "budi") == "budi"


async def test_the_owner_needs_no_superuser(connect: Connect) -> None:
    owner = await connect(OWNER)
    assert await owner.fetchval("SELECT NOT rolsuper AND NOT rolbypassrls FROM pg_roles WHERE rolname = current_user")
