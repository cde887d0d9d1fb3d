"""`elevate_api.ops.schema_check`: is the database what the migrations make, and is every door closed?"""

import pytest
from sqlalchemy import text

from elevate_api.kit.db import Database
from elevate_api.ops.schema_check import differences, open_doors


async def after(owner: Database, *statements: str) -> list[str]:
    async with owner.engine.begin() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)
    async with owner.engine.connect() as connection:
        return await differences(connection)


async def test_a_migrated_database_does_not_differ(owner: Database) -> None:
    assert await after(owner) == []


CHANGES = {
    "changed: function app_limit(name text, fallback integer)": """
        CREATE OR REPLACE FUNCTION app_limit(name text, fallback integer) RETURNS integer
        LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT 1000000'""",
    "changed: function refresh_all_analytics()": "ALTER FUNCTION refresh_all_analytics() RESET search_path",
    "changed: function append_only()": "ALTER FUNCTION append_only() SECURITY DEFINER",
    "missing: function program_timezone()": """
        ALTER FUNCTION program_timezone() RENAME TO zone;
        DROP VIEW IF EXISTS nothing""",
    "missing: index users_email_idx": "DROP INDEX users_email_idx",
    "missing: index idx_leaderboard_totals_points": "DROP INDEX idx_leaderboard_totals_points",
    "changed: index submissions_one_active_learn": """
        DROP INDEX submissions_one_active_learn;
        CREATE UNIQUE INDEX submissions_one_active_learn ON submissions (user_id) WHERE activity_code = 'LEARN'""",
    "unexpected: index idx_emergency": "CREATE INDEX idx_emergency ON submissions (created_at)",
    "changed: trigger points_ledger.points_ledger_append_only": (
        "ALTER TABLE points_ledger DISABLE TRIGGER points_ledger_append_only"
    ),
    "missing: trigger submissions.submissions_before_update": "DROP TRIGGER submissions_before_update ON submissions",
    "changed: materialized view school_metrics": """
        DROP MATERIALIZED VIEW school_metrics;
        CREATE MATERIALIZED VIEW school_metrics AS
          SELECT ''::text AS school, 0::bigint AS participants, 0::bigint AS total_points;
        CREATE UNIQUE INDEX school_metrics_school_key ON school_metrics (school)""",
    "missing: materialized view cohort_metrics": "DROP MATERIALIZED VIEW cohort_metrics",
    "unexpected: view lately": "CREATE VIEW lately AS SELECT * FROM users",
    "unexpected: column users.nickname": "ALTER TABLE users ADD nickname text",
    "missing: column users.region": "ALTER TABLE users DROP region",
    "changed: column users.name": "ALTER TABLE users ALTER name DROP DEFAULT",
    "changed: column users.region": "ALTER TABLE users ALTER region TYPE varchar(100)",
    "changed: column users.cohort": """
        DROP MATERIALIZED VIEW cohort_metrics; ALTER TABLE users ALTER email SET NOT NULL;
        DROP MATERIALIZED VIEW leaderboard_30d; DROP MATERIALIZED VIEW leaderboard_totals;
        ALTER TABLE users ALTER cohort SET NOT NULL""",
    "missing: constraint users.users_handle": "ALTER TABLE users DROP CONSTRAINT users_handle",
    "changed: constraint points_ledger.points_ledger_delta_points": """
        ALTER TABLE points_ledger DROP CONSTRAINT points_ledger_delta_points;
        ALTER TABLE points_ledger ADD CONSTRAINT points_ledger_delta_points CHECK (delta_points <> 0)""",
    "changed: constraint users.users_role": """
        ALTER TABLE users DROP CONSTRAINT users_role;
        ALTER TABLE users ADD CONSTRAINT users_role
          CHECK (role IN ('PARTICIPANT', 'REVIEWER', 'ADMIN', 'SUPERADMIN')) NOT VALID""",
    "unexpected: table points_ledger_backup": "CREATE TABLE points_ledger_backup AS SELECT * FROM points_ledger",
    "missing: table job_runs": "DROP TABLE job_runs",
    "unexpected: function helper()": "CREATE FUNCTION helper() RETURNS int LANGUAGE sql AS 'SELECT 1'",
}


@pytest.mark.parametrize("finding", list(CHANGES))
async def test_a_change_is_named(finding: str, owner: Database) -> None:
    assert finding in await after(owner, *CHANGES[finding].split(";"))


async def test_what_is_missing_as_a_whole_is_one_finding(owner: Database) -> None:
    assert await after(owner, "DROP TABLE job_runs") == ["missing: table job_runs"]
    assert await after(owner, "CREATE TABLE notes (id int PRIMARY KEY)") == [
        "missing: table job_runs",
        "unexpected: table notes",
    ]


async def test_data_is_no_difference(owner: Database) -> None:
    changes = ["UPDATE app_settings SET value = '1'", "INSERT INTO users (id, handle) VALUES ('a', 'ayu')"]
    assert await after(owner, *changes, "SELECT refresh_all_analytics()", "ANALYZE users") == []


async def test_checking_leaves_nothing_behind_and_locks_no_table_out(owner: Database) -> None:
    everything = text(
        "SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_namespace)"
    )
    blocking = text(
        "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
        " WHERE l.pid = pg_backend_pid() AND c.relnamespace = 'public'::regnamespace"
        " AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')"
    )
    async with owner.engine.connect() as connection:
        before = (await connection.execute(everything)).one()
        path = await connection.scalar(text("SHOW search_path"))
        assert await differences(connection) == []
        assert await connection.scalar(blocking) == 0
        assert await connection.scalar(text("SHOW search_path")) == path
        await connection.commit()
        assert (await connection.execute(everything)).one() == before


async def test_the_callers_transaction_goes_on(owner: Database) -> None:
    async with owner.engine.begin() as connection:
        await connection.execute(text("INSERT INTO users (id, handle) VALUES ('a', 'ayu')"))
        assert await differences(connection) == []
    async with owner.engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM users")) == 1


async def doors(owner: Database, *statements: str) -> list[str]:
    async with owner.engine.begin() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)
        return await open_doors(connection)


async def test_every_door_of_a_migrated_database_is_closed(owner: Database) -> None:
    assert await doors(owner) == []


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("CREATE TABLE notes (id int)", "table notes: no row level security"),
        ("CREATE TABLE notes (id int)", "table notes: no policy for the service"),
        ("CREATE VIEW people AS SELECT * FROM users", "view people: {} granted to anon"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "function f(): granted to PUBLIC"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "function f(): granted to authenticated"),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
            "function f(): runs as its owner under the caller's search path",
        ),
        ("ALTER TABLE users DISABLE ROW LEVEL SECURITY", "table users: no row level security"),
        ("DROP POLICY service ON users", "table users: no policy for the service"),
        (
            "CREATE POLICY all_of_us ON users USING (true)",
            "table users: policy all_of_us lets in others than the service",
        ),
        (
            "CREATE POLICY visitors ON users TO anon USING (true)",
            "table users: policy visitors lets in others than the service",
        ),
        ("GRANT SELECT ON users TO anon", "table users: SELECT granted to anon"),
        ("GRANT SELECT ON leaderboard_totals TO PUBLIC", "view leaderboard_totals: SELECT granted to PUBLIC"),
    ],
)
async def test_an_open_door_is_named(statement: str, finding: str, owner: Database) -> None:
    found = await doors(owner, statement)
    start, _, end = finding.partition("{}")
    assert any(line.startswith(start) and line.endswith(end) for line in found), found
