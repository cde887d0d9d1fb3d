"""The one promise that only a server of its own can test: an answer within two seconds whatever PostgreSQL does."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.support.frozen import frozen
from tests.support.waiting import until

from elevate_api.health.schemas import HealthOut, UnhealthyOut
from elevate_api.health.service import HealthMonitor
from elevate_api.kit.db import Address, Database
from elevate_api.postgres import EmbeddedServer, ephemeral
from elevate_api.postgres.testing import crash

LIMIT = 2.0


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with ephemeral() as server:
        yield server


@pytest.fixture
async def monitor(server: EmbeddedServer) -> AsyncIterator[HealthMonitor]:
    server.start()
    database = Database(Address.parse(server.dsn()), pooled=False)
    monitor = HealthMonitor(database, None, stale_seconds=1800)
    yield monitor
    await monitor.close()


async def ask(monitor: HealthMonitor) -> tuple[int, HealthOut | UnhealthyOut]:
    """A fresh look, however recently somebody else looked. Fails when it takes too long."""
    monitor._looked_at = 0.0
    started = time.monotonic()
    answer = await monitor.report()
    assert time.monotonic() - started < LIMIT
    return answer


async def until_well(monitor: HealthMonitor) -> None:
    async def is_well() -> bool:
        return (await ask(monitor))[0] == 200

    await until(is_well)


async def test_a_server_that_stops_answering_is_reported_in_time_and_forgiven_when_it_answers_again(
    server: EmbeddedServer, monitor: HealthMonitor
) -> None:
    assert (await ask(monitor))[0] == 200
    with frozen(server):
        for _ in range(3):  # the kept connection hangs, then new ones do
            status, answer = await ask(monitor)
            assert (status, answer.status) == (503, "unhealthy")
        assert "no answer within" in answer.checks[0].detail
        assert set(answer.model_dump()) == {"status", "checks"}
        assert (await monitor.readiness())[0] == 503
    await until_well(monitor)


async def test_a_server_that_hangs_from_the_start_is_reported_in_time(
    server: EmbeddedServer, monitor: HealthMonitor
) -> None:
    with frozen(server):
        assert (await ask(monitor))[0] == 503
    await until_well(monitor)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_stopped_server_is_reported_and_found_again_without_a_restart_of_ours(
    server: EmbeddedServer, monitor: HealthMonitor, mode: Any
) -> None:
    assert (await ask(monitor))[0] == 200
    server.stop(mode)

    for _ in range(2):
        status, answer = await ask(monitor)
        assert (status, answer.status, answer.checks[0].detail) == (503, "unhealthy", "cannot be reached")

    server.start()
    assert (await ask(monitor))[0] == 200


async def test_a_killed_server_is_reported(server: EmbeddedServer, monitor: HealthMonitor) -> None:
    assert (await ask(monitor))[0] == 200
    crash(server)

    assert (await ask(monitor))[0] == 503
    server.start()
    await until_well(monitor)


async def test_credentials_that_are_refused_are_reported_without_repeating_them(server: EmbeddedServer) -> None:
    server.start()
    dsn = server.dsn(user="somebody-secret")
    monitor = HealthMonitor(Database(Address.parse(dsn), pooled=False), None, stale_seconds=1800)

    status, answer = await ask(monitor)
    await monitor.close()

    assert (status, answer.status) == (503, "unhealthy")
    assert answer.checks[0].detail.startswith("refuses to work (SQLSTATE 28")
    assert "somebody" not in answer.model_dump_json()


async def test_an_address_that_accepts_and_says_nothing_is_reported_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        address = Address.parse(f"postgresql://u:p@127.0.0.1:{port}/d")
        monitor = HealthMonitor(Database(address, pooled=False), None, stale_seconds=1800)
        for _ in range(2):
            assert (await ask(monitor))[0] == 503
        await monitor.close()


async def test_a_name_that_is_never_resolved_is_reported_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    address = Address.parse("postgresql://u:p@database.invalid/d")
    monitor = HealthMonitor(Database(address, pooled=False), None, stale_seconds=1800)

    assert (await ask(monitor))[0] == 503
    await monitor.close()
