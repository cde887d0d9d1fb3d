"""Limits that several processes share through the database."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import asyncpg
import pytest
from tests.support.waiting import until

from elevate_api.kit import shared_limits
from elevate_api.kit.db import Address
from elevate_api.kit.ratelimit import Charge, RateLimiter
from elevate_api.kit.shared_limits import SLACK, SharedMemory

Process = Callable[..., RateLimiter]
SUMS = "SELECT coalesce(sum(used), 0) FROM rate_limit_windows"


@pytest.fixture(autouse=True)
def _in_the_middle_of_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may meet the turn of a window by chance, nor be let through because the machine is busy."""
    monkeypatch.setattr(shared_limits, "PATIENCE", 20)
    monkeypatch.setattr(shared_limits, "ANSWER_SECONDS", 20)
    monkeypatch.setattr(SharedMemory, "patience", 30)
    middle = time.time() // 60 * 60 + 20
    monkeypatch.setattr(time, "time", lambda: middle)


@pytest.fixture
async def process(app_dsn: str) -> AsyncIterator[Process]:
    """What each process of a service has; several of them share a test's database."""
    async with AsyncExitStack() as stack:

        def build(limit: int = 100, flush_seconds: float = 3600, address: Address | None = None) -> RateLimiter:
            storage = SharedMemory(address or Address.parse(app_dsn), flush_seconds=flush_seconds)
            limiter = RateLimiter({"reads": [f"{limit}/minute"]}, storage)
            stack.push_async_callback(limiter.aclose)
            return limiter

        yield build


async def passes(limiter: RateLimiter, count: int, key: str = "ada") -> int:
    standings = [await limiter.charge(Charge("reads", key)) for _ in range(count)]
    return sum(standing is not None and not standing.refused for standing in standings)


async def test_two_processes_share_a_limit(process: Process) -> None:
    one, two = process(), process()
    assert await passes(one, 80) == 80
    let_through = 80 + await passes(two, 80) + await passes(one, 80)
    assert 100 <= let_through <= 100 + 2 * (100 // SLACK)


async def test_requests_at_once_in_many_processes_pass_hardly_more_than_the_limit(process: Process) -> None:
    limiters = [process() for _ in range(4)]
    counts = await asyncio.gather(*(passes(limiter, 20) for limiter in limiters * 4))
    assert 100 <= sum(counts) <= 100 + 4 * (100 // SLACK)


async def test_callers_have_accounts_of_their_own(process: Process) -> None:
    one, two = process(limit=10), process(limit=10)
    assert await passes(one, 20) == 10
    assert await passes(two, 20, key="bob") == 10
    assert await passes(two, 20) <= 1


async def test_a_quiet_caller_never_waits_for_the_database(process: Process, owner_dsn: str) -> None:
    """The others learn of it in the background."""
    connection = await asyncpg.connect(owner_dsn)
    limiter = process(limit=500, flush_seconds=0.05)
    async with connection.transaction():
        await connection.execute("LOCK TABLE rate_limit_windows IN ACCESS EXCLUSIVE MODE")
        began = time.perf_counter()
        assert await passes(limiter, 5) == 5
        assert time.perf_counter() - began < 0.15
    await until(lambda: _is(connection, 5), seconds=10)
    await connection.close()


async def _is(connection: asyncpg.Connection, used: int) -> bool:
    return bool(await connection.fetchval(SUMS) == used)


async def test_the_last_window_of_the_others_counts(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = process(limit=10), process(limit=10)
    now = time.time()
    assert await passes(one, 20) == 10
    monkeypatch.setattr(time, "time", lambda: now + 41)
    assert await passes(two, 20) <= 2


async def test_a_database_that_is_away_leaves_each_process_its_own_limit(process: Process) -> None:
    nowhere = Address.parse("postgresql://elevate_app@127.0.0.1:1/nothing")
    limiter = process(limit=10, address=nowhere)
    began = time.perf_counter()
    assert await passes(limiter, 30) == 10
    assert time.perf_counter() - began < 2
    assert (await limiter.charge(Charge("reads", "ada"))) is not None


async def test_what_was_not_told_is_told_once_the_database_is_back(
    process: Process, owner_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await asyncpg.connect(owner_dsn)
    storage = SharedMemory(Address.parse(owner_dsn), flush_seconds=0.05)
    limiter = RateLimiter({"reads": ["500/minute"]}, storage)
    with monkeypatch.context() as patch:
        patch.setattr(asyncpg, "connect", _refuse)
        assert await passes(limiter, 30) == 30
        await asyncio.sleep(0.2)
        assert await connection.fetchval(SUMS) == 0
    await until(lambda: _is(connection, 30), seconds=10)
    await limiter.aclose()
    await connection.close()


async def _refuse(*_: object, **__: object) -> None:
    raise ConnectionRefusedError


async def test_who_asked_does_not_stand_in_the_table_and_old_windows_go(process: Process, owner_dsn: str) -> None:
    connection = await asyncpg.connect(owner_dsn)
    await connection.execute("INSERT INTO rate_limit_windows VALUES ('old', 1, 1, now() - interval '1 minute')")
    storage = SharedMemory(Address.parse(owner_dsn))
    limiter = RateLimiter({"reads": ["50/minute"]}, storage)
    storage._swept_at -= 3600
    await passes(limiter, 3, key="203.0.113.9")
    await limiter.aclose()
    rows = await connection.fetch("SELECT account, used FROM rate_limit_windows")
    assert [(len(row["account"]), row["used"]) for row in rows] == [(16, 3)]
    await connection.close()


WORKER = """
import asyncio, sys
from elevate_api.kit.db import Address
from elevate_api.kit.ratelimit import Charge, RateLimiter
from elevate_api.kit import shared_limits
from elevate_api.kit.shared_limits import SharedMemory

shared_limits.PATIENCE = shared_limits.ANSWER_SECONDS = SharedMemory.patience = 20

async def main():
    limiter = RateLimiter({"reads": ["200/hour"]}, SharedMemory(Address.parse(sys.argv[1])))
    sys.stdin.readline()
    passed = 0
    for _ in range(300):
        standing = await limiter.charge(Charge("reads", "ada"))
        passed += standing is not None and not standing.refused
    await limiter.aclose()
    print(passed)

asyncio.run(main())
"""


@pytest.mark.parametrize("count", [2])
def test_real_processes_let_hardly_more_than_the_limit_through(app_dsn: str, count: int) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, app_dsn],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]},
        )
        for _ in range(count)
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    passed = [int(worker.communicate(timeout=60)[0]) for worker in workers]
    assert 200 <= sum(passed) <= 200 + count * (200 // SLACK)
