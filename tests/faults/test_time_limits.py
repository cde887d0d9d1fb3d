"""No request waits for ever: what each bound does, on a real server that is frozen, locked or crowded."""

import asyncio
import time
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.faults.conftest import LIMITS, POOL
from tests.support import tokens
from tests.support.frozen import frozen
from tests.support.waiting import until

from elevate_api.addresses import limits_of
from elevate_api.config import Settings
from elevate_api.kit.bounds import NO_LIMITS, Limits, take_time
from elevate_api.kit.db import Address, Database
from elevate_api.kit.jobs import run_single_flight
from elevate_api.kit.problems import DatabaseUnavailable, as_problem
from elevate_api.ops.roles import ensure_service_role
from elevate_api.postgres import EmbeddedServer

BOUND = 2 * (LIMITS.transaction or 0) + 3.5
"""The queue for a connection, then the transaction itself, and some room on a busy machine."""


def is_unavailable(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0


async def me(client: httpx.AsyncClient, who: str) -> httpx.Response:
    return await client.get("/api/me", headers=tokens.bearer(who))


async def backends(owner: Database) -> int:
    """Sessions of the service that are in a transaction."""
    async with owner.session() as session:
        found: int = await session.scalar(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = 'elevate_app' AND datname = 'faults'"
                " AND state IN ('active', 'idle in transaction', 'idle in transaction (aborted)')"
            )
        )
        return found


async def test_a_frozen_database_is_answered_503_in_time_and_forgiven_when_it_thaws(
    server: EmbeddedServer, bounded: httpx.AsyncClient, service_database: Database
) -> None:
    who = uuid4().hex
    assert (await me(bounded, who)).status_code == 200
    with frozen(server):
        started = time.monotonic()
        answers = await asyncio.gather(*(me(bounded, f"{who}-{number}") for number in range(2 * POOL)))
        assert time.monotonic() - started < BOUND
        assert all(map(is_unavailable, answers)), [answer.text for answer in answers]

    async def works() -> bool:
        return (await me(bounded, who)).status_code == 200

    await until(works)
    assert service_database.admission.present == 0


async def test_a_database_that_freezes_before_the_first_connection_is_answered_503_in_time(
    server: EmbeddedServer, bounded: httpx.AsyncClient
) -> None:
    with frozen(server):
        started = time.monotonic()
        assert is_unavailable(await me(bounded, uuid4().hex))
        assert time.monotonic() - started < 8  # the attempt to connect has 5


async def test_a_persons_lock_that_is_held_costs_the_others_nothing_for_long(
    bounded: httpx.AsyncClient, owner_database: Database
) -> None:
    who, other = uuid4().hex, uuid4().hex
    for name in (who, other):
        assert (await me(bounded, name)).status_code == 200
    body = {"activityCode": "SHINE", "payload": {"ideaTitle": "A title", "ideaSummary": "A summary of it"}}
    async with owner_database.session() as session:
        await session.execute(text("SELECT FROM users WHERE id = :id FOR NO KEY UPDATE"), {"id": who})
        started = time.monotonic()
        stuck = [
            asyncio.create_task(bounded.post("/api/submissions", json=body, headers=tokens.bearer(who)))
            for _ in range(POOL)
        ]
        await asyncio.sleep(0)
        assert (await me(bounded, other)).status_code == 200
        assert all(map(is_unavailable, await asyncio.gather(*stuck)))
        assert time.monotonic() - started < BOUND
    assert (await bounded.post("/api/submissions", json=body, headers=tokens.bearer(who))).status_code == 201


async def test_more_than_may_wait_are_refused_at_once_but_for_the_board_and_health(
    bounded: httpx.AsyncClient, bounded_app: FastAPI, service_database: Database
) -> None:
    admission = service_database.admission
    admission.present += admission.limit  # as many as may be there
    try:
        assert is_unavailable(await me(bounded, uuid4().hex))
        assert (await bounded.get("/api/leaderboard")).status_code == 200
        assert (await bounded.get("/health/live")).status_code == 200
        assert (await bounded.get("/health/database")).json()["status"] in {"healthy", "degraded"}
        admission.present += admission.limit
        assert is_unavailable(await bounded.get("/api/leaderboard"))
        assert (await bounded.get("/health/ready")).status_code == 200
    finally:
        admission.present = 0


async def test_a_crowd_that_arrives_at_once_is_served_or_refused_and_leaves_nothing_behind(
    bounded: httpx.AsyncClient, service_database: Database, owner_database: Database
) -> None:
    who = uuid4().hex
    assert (await me(bounded, who)).status_code == 200
    answers = await asyncio.gather(*(me(bounded, who) for _ in range(60)))
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 503}
    assert sum(answer.status_code == 200 for answer in answers) >= service_database.admission.limit
    assert all(is_unavailable(answer) for answer in answers if answer.status_code != 200)
    assert service_database.admission.present == 0
    assert await backends(owner_database) == 0


async def test_a_request_that_is_cancelled_leaves_no_transaction_and_no_dead_connection(
    bounded: httpx.AsyncClient, owner_database: Database, service_database: Database
) -> None:
    who = uuid4().hex
    assert (await me(bounded, who)).status_code == 200
    body = {"activityCode": "SHINE", "payload": {"ideaTitle": "A title", "ideaSummary": "A summary of it"}}
    async with owner_database.session() as session:
        await session.execute(text("SELECT FROM users WHERE id = :id FOR NO KEY UPDATE"), {"id": who})
        stuck = [
            asyncio.create_task(bounded.post("/api/submissions", json=body, headers=tokens.bearer(who)))
            for _ in range(POOL)
        ]

        async def waiting() -> bool:
            return await backends(owner_database) == POOL

        await until(waiting)
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)

        async def gone() -> bool:
            return await backends(owner_database) == 0

        await until(gone)
        assert service_database.admission.present == 0
        answers = await asyncio.gather(*(me(bounded, f"{who}-{number}") for number in range(POOL)))
        assert {answer.status_code for answer in answers} == {200}


async def test_a_request_that_is_cancelled_while_the_database_is_frozen_gives_its_connection_up(
    server: EmbeddedServer, bounded: httpx.AsyncClient, service_database: Database
) -> None:
    who = uuid4().hex
    await asyncio.gather(*(me(bounded, f"{who}-{number}") for number in range(POOL)))
    with frozen(server):
        stuck = [asyncio.create_task(me(bounded, who)) for _ in range(POOL)]
        await asyncio.sleep(0.2)  # nothing tells that a query was sent to a server that does not read
        started = time.monotonic()
        for task in stuck:
            task.cancel()
        await asyncio.wait(stuck, timeout=BOUND)
        assert time.monotonic() - started < BOUND
        assert all(task.done() for task in stuck)

    async def works() -> bool:
        return (await me(bounded, who)).status_code == 200

    await until(works)
    assert service_database.admission.present == 0


async def test_a_statement_and_a_pause_that_take_too_long_are_ended_by_the_server(service_database: Database) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with service_database.session() as session:
            await session.execute(text("SELECT pg_sleep(60)"))
    assert getattr(caught.value.orig, "sqlstate", None) == "57014"


async def test_a_connection_that_is_lost_between_the_drivers_own_questions_is_answered_503(
    bounded: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = uuid4().hex
    assert (await me(bounded, who)).status_code == 200

    async def lost(self: asyncpg.Connection, *_: object, **__: object) -> None:
        self.terminate()  # what `_introspect_types` meets in asyncpg 0.32 when the network goes in the middle of it
        self._protocol.bind_execute()

    with monkeypatch.context() as broken:
        broken.setattr(asyncpg.Connection, "prepare", lost)
        assert is_unavailable(await me(bounded, uuid4().hex))
    assert (await me(bounded, who)).status_code == 200


async def test_a_statement_on_its_own_that_gets_no_connection_is_the_drivers_error() -> None:
    closing = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = closing.sockets[0].getsockname()[1]
    database = Database(Address.parse(f"postgresql://u@127.0.0.1:{port}/d?sslmode=disable"))
    with pytest.raises((asyncpg.PostgresError, OSError)) as caught:
        await database.once("SELECT 1")
    assert isinstance(as_problem(caught.value, {}), DatabaseUnavailable)
    closing.close()


async def test_work_that_is_known_to_take_long_gets_its_time_and_the_next_one_does_not(
    service_database: Database,
) -> None:
    async with service_database.session() as session:
        await take_time(session, 20)
        await session.execute(text("SELECT pg_sleep(1.5)"))  # longer than a statement, and than a transaction
    async with service_database.session() as session:
        assert await session.scalar(text("SHOW statement_timeout")) == "600ms"
    assert service_database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_a_job_may_take_longer_than_a_request(service_database: Database) -> None:
    async def work(_: object) -> dict[str, object]:
        await asyncio.sleep((LIMITS.transaction or 0) + 0.3)
        return {"ok": True}

    result = await run_single_flight(service_database, "long-job", "test", work)
    assert result.outcome == {"ok": True}


async def test_the_defaults_of_the_role_hold_where_sessions_belong_to_a_pooler(
    server: EmbeddedServer, owner_database: Database, settings: Settings
) -> None:
    server.psql("GRANT elevate_app TO elevate WITH ADMIN OPTION")
    server.psql("ALTER ROLE elevate CREATEROLE")
    async with owner_database.session() as session:
        await ensure_service_role(session, limits=limits_of(settings))
    try:
        address = Address.parse(server.dsn("faults", "elevate_app"), pooled=True)
        database = Database(address, limits=Limits(statement=1))
        async with database.session() as session:
            assert await session.scalar(text("SHOW statement_timeout")) == "10s"
            assert await session.scalar(text("SHOW lock_timeout")) == "3s"
            assert await session.scalar(text("SHOW idle_in_transaction_session_timeout")) == "15s"
        await database.dispose()
        command = Database(Address.parse(server.dsn("faults", "elevate_app")), pooled=False, limits=NO_LIMITS)
        async with command.session() as session:
            assert await session.scalar(text("SHOW statement_timeout")) == "0"
    finally:
        server.psql("ALTER ROLE elevate_app RESET ALL")
