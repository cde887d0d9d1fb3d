"""Disasters acted out; each ends with `elevate points verify` reporting no difference."""

import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from tests.cli.processes import running
from tests.ops.commands import Type
from tests.support.cluster import outside_the_loop
from tests.support.waiting import until

from elevate_api.kit.db import Database
from elevate_api.seeds import demo

Superuser = Callable[..., Awaitable[None]]
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture(autouse=True)
async def programme(owner: Database, elevate: Type) -> None:
    async with owner.session() as session:
        await demo.seed(session, ZoneInfo("Asia/Jakarta"))
    assert elevate("analytics", "refresh").exit_code == 0


def agrees(elevate: Type) -> bool:
    result = elevate("points", "verify")
    return result.exit_code == 0 and result.stdout.startswith("No difference")


async def test_half_of_the_ledger_is_deleted_by_a_superuser(elevate: Type, superuser: Superuser) -> None:
    await superuser("DELETE FROM points_ledger WHERE hashtext(id::text) % 2 = 0")
    assert not agrees(elevate)
    assert elevate("points", "recover", "--yes").exit_code == 0
    assert agrees(elevate)


async def test_a_view_is_dropped(elevate: Type, superuser: Superuser) -> None:
    await superuser("DROP MATERIALIZED VIEW leaderboard_totals CASCADE")
    assert not agrees(elevate)
    assert elevate("analytics", "status").exit_code == 1
    assert elevate("analytics", "rebuild", "leaderboard_totals", "--yes").exit_code == 0
    assert agrees(elevate)
    assert elevate("analytics", "status").exit_code == 0
    assert elevate("db", "check").exit_code == 0, "with its indexes and grants"


async def test_a_migration_is_killed_half_way(
    elevate: Type, owner_dsn: str, superuser_dsn: str, tmp_path: Path
) -> None:
    assert elevate("db", "rollback", "--to", "0003", "--yes").exit_code == 0
    blocker, watcher = await asyncpg.connect(owner_dsn), await asyncpg.connect(superuser_dsn)
    try:
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE users IN ACCESS SHARE MODE")  # in the way of what comes after the tables
            with running("db", "migrate", folder=tmp_path, DATABASE_URL=owner_dsn) as migration:
                await until(lambda: watcher.fetchval(WAITING))
                outside_the_loop(lambda: migration.end(signal.SIGKILL))
        await until(lambda: _is_over(watcher))
    finally:
        await blocker.close()
        await watcher.close()
    assert elevate("db", "status").exit_code == 3
    assert elevate("db", "migrate").exit_code == 0
    assert elevate("db", "check").exit_code == 0
    assert agrees(elevate)


async def _is_over(watcher: asyncpg.Connection) -> bool:
    """The server rolls back once it notices that nobody listens any more."""
    held = """SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
              WHERE l.locktype = 'advisory' AND d.datname = current_database()"""
    return not await watcher.fetchval(held)
