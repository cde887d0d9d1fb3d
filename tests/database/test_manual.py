"""Every SQL statement of the operations manual that is valid PostgreSQL runs on this schema as it stands there."""

import asyncio
import csv
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from tests.database.conftest import Connect
from tests.support.cluster import OWNER, Cluster
from tests.support.manual import PATH, Statement, statements
from tests.support.sql import Connection, approve, award, submit

from elevate_api.kit.sqlfiles import statements as migration

pytestmark = pytest.mark.skipif(not PATH.is_file(), reason=f"the manual is not there: {PATH}")

# What no schema could satisfy: the beginning of the statement's name, the SQLSTATE that it must fail with, and why.
IMPOSSIBLE = {
    "Index Management: SELECT schemaname, tablename": ("42703", "pg_stat_user_indexes has relname, no tablename"),
    "System Health Endpoint: SELECT matviewname, pg_size_pretty": (
        "42883",
        "pg_total_relation_size takes regclass, and name has no cast to it (schemaname||'.'||matviewname is text)",
    ),
    "Performance Metrics: SELECT pg_size_pretty(pg_database_size": ("42883", "the same, with tablename"),
    "Connection Pool Exhaustion: ALTER SYSTEM": ("42501", "needs a superuser, which no hosted database gives"),
    "Connection Pool Exhaustion: SELECT pg_reload_conf": ("42501", "likewise"),
}
SUBMISSION = "'submission_id'"


def manual() -> list[Statement]:
    return statements(PATH.read_text(encoding="utf-8"))


class Operator:
    """Works through the manual on one database, as the owner of the tables."""

    def __init__(self, connection: Connection, psql: Path, dsn: str, folder: Path) -> None:
        self.connection = connection
        self._psql, self._dsn, self._folder = psql, dsn, folder
        self._submission: UUID | None = None

    async def run(self, statement: Statement) -> str | None:
        """None when it worked, else the SQLSTATE."""
        if self._submission is None and "@example.com" in statement.sql and "INSERT" not in statement.sql:
            self._submission = await self._live_for_a_while()
        sql = statement.sql.replace(SUBMISSION, f"'{self._submission}'")
        try:
            await (self._copy(sql) if statement.copies else self.connection.execute(sql))
        except asyncpg.PostgresError as error:
            return str(error.sqlstate)
        if sql.startswith("DROP MATERIALIZED VIEW"):
            # "Execute view creation SQL from migration"
            for creation in migration("leaderboard_totals"):
                await self.connection.execute(creation)
        return None

    async def _live_for_a_while(self) -> UUID:
        """The people whom the manual's placeholders name, and something for its queries to find."""
        await self.connection.execute(
            """INSERT INTO users (id, handle, name, email) VALUES
                 ('user_id', 'user', 'A User', 'user@example.com'), ('user_id_here', 'other', 'Another', NULL),
                 ('reviewer_id', 'reviewer', 'A Reviewer', 'reviewer@example.com')"""
        )
        explore = await submit(self.connection, "user_id", "EXPLORE")
        await approve(self.connection, explore, "reviewer_id", None)
        await submit(self.connection, "user_id", "AMPLIFY", payload={"peersTrained": 45})
        await award(self.connection, "user_id", 2, "SHINE", external_event_id="e")
        return await submit(self.connection, "user_id", "LEARN")

    async def _copy(self, sql: str) -> None:
        """psql takes a backslash command on one line only."""
        process = await asyncio.create_subprocess_exec(
            str(self._psql), "-X", "-v", "ON_ERROR_STOP=1", "-d", self._dsn, "-c", " ".join(sql.split()),
            cwd=self._folder, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()


@pytest.fixture
async def on_duty(cluster: Cluster, empty_database: str, connect: Connect, tmp_path: Path) -> Operator:
    connection = await connect(OWNER, empty_database)
    return Operator(connection, cluster.tool("psql"), cluster.dsn(empty_database), tmp_path)


def test_the_manual_is_read_whole() -> None:
    found = manual()
    text = "\n".join(statement.sql for statement in found)
    for landmark in (
        "INSERT INTO activities", "get_user_point_summary('user_id_here')", "SELECT refresh_all_analytics()",
        "SELECT version()", "SELECT 1", "\\COPY", "CREATE INDEX CONCURRENTLY", "WITH health_checks",
        "date_trunc('day', created_at)", "REINDEX INDEX CONCURRENTLY",
    ):  # fmt: skip
        assert landmark in text
    assert len(found) >= 40
    assert sum(statement.copies for statement in found) == 2
    assert len({statement.name for statement in found}) > 35


async def test_every_statement_runs_in_the_order_of_the_manual(on_duty: Operator) -> None:
    failed = {}
    for statement in manual():
        state = await on_duty.run(statement)
        if state is not None:
            failed[statement.name] = state
    expected = {
        statement.name: state
        for statement in manual()
        for beginning, (state, _) in IMPOSSIBLE.items()
        if statement.name.startswith(beginning)
    }
    assert failed == expected
    assert len(expected) == len(IMPOSSIBLE)


async def test_its_seeding_leaves_columns_to_their_defaults(on_duty: Operator) -> None:
    for statement in manual():
        if statement.name.startswith("Manual Seeding"):
            assert await on_duty.run(statement) is None
    assert await on_duty.connection.fetchval("SELECT count(*) FROM activities") == 5
    row = await on_duty.connection.fetchrow("SELECT id, role, show_on_leaderboard, erased_at FROM users")
    assert tuple(row) == ("admin_id", "ADMIN", True, None)


async def test_its_approval_awards_and_its_recovery_brings_back_what_is_missing(on_duty: Operator) -> None:
    """The approved EXPLORE without a ledger row gets its 50; LEARN, awarded by hand, is not doubled."""
    for statement in manual():
        await on_duty.run(statement)
        if statement.sql.startswith("INSERT INTO points_ledger") and "SELECT" in statement.sql:
            break
    rows = await on_duty.connection.fetch(
        "SELECT activity_code, delta_points FROM points_ledger WHERE external_event_id IS NULL ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [("EXPLORE", 50), ("LEARN", 20)]
    assert (
        await on_duty.connection.fetchval("SELECT status FROM submissions WHERE activity_code = 'LEARN'") == "APPROVED"
    )


async def test_its_monitoring_finds_what_it_looks_for(on_duty: Operator) -> None:
    found = manual()
    quota = next(statement for statement in found if statement.name.startswith("AMPLIFY Quota Monitoring"))
    await on_duty.run(next(one for one in found if one.sql.startswith("INSERT INTO activities")))
    await on_duty.run(next(one for one in found if one.sql.startswith("UPDATE users")))
    rows = await on_duty.connection.fetch(quota.sql)
    assert [(row["handle"], row["total_peers"]) for row in rows] == [("user", 45)]


async def test_its_exports_are_csv_with_a_header(on_duty: Operator, tmp_path: Path) -> None:
    for statement in manual():
        await on_duty.run(statement)
    with (tmp_path / "user_export.csv").open(newline="") as file:
        person = next(csv.DictReader(file))
    assert person["email"] == "user@example.com"
    assert person["submission_ids"].count("-") == 3 * 4
    with (tmp_path / "leaderboard_snapshot.csv").open(newline="") as file:
        assert {row["user_id"]: row["total_points"] for row in csv.DictReader(file)} == {"user_id": "22"}
