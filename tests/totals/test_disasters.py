"""Folded totals after kill -9 of PostgreSQL in the middle of folds, and after a move to another cluster."""

import asyncio
import os
import random
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest
from tests.support.cluster import SERVICE, seed
from tests.support.sql import Connection
from tests.totals.life import LOST, Life
from tests.totals.truth import assert_exact

from elevate_api.kit.db import Address, Database
from elevate_api.ops import migrations
from elevate_api.postgres.server import EmbeddedServer
from elevate_api.postgres.testing import crash, ephemeral, scratch_dir

ALL = bool(os.environ.get("ELEVATE_TEST_ALL"))
KILLS, SECONDS = (30, 20.0) if ALL else (2, 1.0)
DATABASE = "totals"
UNDER_WAY = ("SELECT fold_totals(true)", "SELECT rebuild_totals('when the light went out')")


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """A server that waits for the disk, as in production, with a migrated database."""
    with scratch_dir() as folder, EmbeddedServer(folder) as server:
        server.create_database(DATABASE)
        server.psql(f"CREATE ROLE {SERVICE} LOGIN")
        migrations.upgrade(Address.parse(server.dsn(DATABASE)))
        asyncio.run(seed_at(Address.parse(server.dsn(DATABASE))))
        yield server


async def seed_at(address: Address) -> None:
    database = Database(address, pooled=False)
    await seed(database)
    await database.dispose()


@pytest.fixture
def elsewhere() -> Iterator[EmbeddedServer]:
    """A cluster just made, whose transaction ids begin again."""
    with ephemeral() as server:
        server.psql(f"CREATE ROLE {SERVICE} LOGIN")
        yield server


def life_on(server: EmbeddedServer) -> Life:
    async def connect() -> Connection:
        connection: Connection = await asyncpg.connect(server.dsn(DATABASE), timeout=10)
        return connection

    return Life(connect, random.randrange(1 << 32))  # noqa: S311 - no secret


@asynccontextmanager
async def line_of(life: Life) -> AsyncIterator[Connection]:
    line = await life.connect()
    try:
        yield line
    finally:
        line.terminate()


async def kill_in_the_middle(life: Life, server: EmbeddedServer, kills: int) -> None:
    """Each time a fold or a rebuild is under way, and everybody writes."""
    for number in range(kills):
        await asyncio.sleep(life.dice.random() * 0.5)
        async with line_of(life) as line:
            going = asyncio.create_task(line.execute(UNDER_WAY[number % 2]))
            await asyncio.sleep(life.dice.random() * 0.1)
            crash(server)
            server.start()  # in the main thread: the server ends with the thread that starts it
            with suppress(*LOST):
                await going
    life.over = True


async def live_through_kills(life: Life, server: EmbeddedServer) -> None:
    await life.prepare()
    for _ in range(max(1, KILLS // 3)):
        life.over = False
        await asyncio.gather(life.run(300, kill=False), kill_in_the_middle(life, server, min(KILLS, 3)))
        async with line_of(life) as line:
            await assert_exact(line)
    assert min(life.counts.get(kind, 0) for kind in ("points", "folds", "evidence")) > 0, life.counts


def test_folds_are_exact_after_kill_nine_in_the_middle_of_them(server: EmbeddedServer) -> None:
    asyncio.run(live_through_kills(life_on(server), server))


async def fold_and_write_on(life: Life, server: EmbeddedServer) -> None:
    await life.prepare()
    async with line_of(life) as line:
        await line.execute("SELECT fold_totals(true)")
        async with line.transaction():
            await life.add_points(line)
            await line.execute("SELECT fold_totals(true)")
            await life.add_points(line)
    crash(server)
    server.start()
    async with line_of(life) as line:
        assert await line.fetchval("SELECT ledger_rows FROM fold_totals(true)") == 2
        await assert_exact(line)


def test_what_a_transaction_wrote_around_its_own_fold_is_counted_after_a_crash(server: EmbeddedServer) -> None:
    """Replayed rows do not know any more by which command they were written."""
    asyncio.run(fold_and_write_on(life_on(server), server))


def move(server: EmbeddedServer, elsewhere: EmbeddedServer) -> None:
    """pg_dump into pg_restore, as the operator does."""
    elsewhere.create_database(DATABASE)
    dumped = subprocess.run(
        [str(server.binaries.tool("pg_dump")), "-Fc", "-d", server.superuser_dsn(DATABASE)],
        check=True, capture_output=True, env=server.binaries.environment(),
    )  # fmt: skip
    subprocess.run(
        [str(server.binaries.tool("pg_restore")), "--exit-on-error", "-d", elsewhere.superuser_dsn(DATABASE)],
        check=True, input=dumped.stdout, env=server.binaries.environment(),
    )  # fmt: skip


async def live_before_moving(life: Life) -> None:
    await life.prepare()
    await life.run(SECONDS)
    async with line_of(life) as line:
        await line.execute("SELECT fold_totals(true)")


async def live_on_elsewhere(life: Life) -> None:
    """Somebody writes before the first fold, with a transaction id that was used before the move."""
    ids = "SELECT max(stamp) AS folded, pg_current_xact_id()::text::bigint AS now FROM points_ledger"
    async with line_of(life) as line:
        before = await line.fetchrow(ids)
        assert before["now"] < before["folded"]
        for _ in range(5):
            await life.add_points(line)
        assert await line.fetchval("SELECT outcome FROM fold_totals(true)") == "rebuilt"
        assert "cluster" in await line.fetchval("SELECT rebuilt_because FROM totals_state")
        await life.add_points(line)
        assert await line.fetchval("SELECT ledger_rows FROM fold_totals(true)") == 1
        await life.run(SECONDS)
        await assert_exact(line)


def test_a_dump_restored_in_another_cluster_is_counted_anew_and_folded_on(
    server: EmbeddedServer, elsewhere: EmbeddedServer
) -> None:
    life = life_on(server)
    server.psql(
        "DO $$ BEGIN FOR n IN 1..20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$", database=DATABASE
    )
    asyncio.run(live_before_moving(life))
    move(server, elsewhere)
    there = life_on(elsewhere)
    there.number = life.number
    asyncio.run(live_on_elsewhere(there))
