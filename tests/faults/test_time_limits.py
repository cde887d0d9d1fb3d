"""No request waits for ever: what each bound does, on a real server that is frozen, locked or crowded."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.faults.conftest import LIMITS, POOL, POOL_TIMEOUT, ROOMY
from tests.support import tokens
from tests.support.frozen import frozen
from tests.support.waiting import until

from elevate_api.addresses import limits_of
from elevate_api.config import Settings
from elevate_api.exports.snapshot import snapshot
from elevate_api.kit.bounds import NO_LIMITS, Bounds, Limits, take_time
from elevate_api.kit.db import OPEN_SECONDS, Address, Database
from elevate_api.kit.jobs import run_single_flight
from elevate_api.kit.problems import DatabaseUnavailable, as_problem
from elevate_api.ops.roles import ensure_service_role
from elevate_api.postgres import EmbeddedServer

BOUND = POOL_TIMEOUT + OPEN_SECONDS + (LIMITS.transaction or 0) + 15
"""What the limits come to when each of them strikes: the queue for a connection, opening one, the transaction itself;
and room, as a machine may be busy."""


def is_unavailable(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0


async def me(client: httpx.AsyncClient, who: str) -> httpx.Response:
    return await client.get("/api/me", headers=tokens.bearer(who))


async def served(client: httpx.AsyncClient, who: str) -> None:
    """Whoever is told to come again does so: on a busy machine a short limit strikes here and there."""

    async def works() -> bool:
        return (await me(client, who)).status_code == 200

    await until(works)


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
    await served(bounded, who)
    with frozen(server):
        started = time.monotonic()
        answers = await asyncio.gather(*(me(bounded, f"{who}-{number}") for number in range(2 * POOL)))
        assert time.monotonic() - started < BOUND
        assert all(map(is_unavailable, answers)), [answer.text for answer in answers]

    await served(bounded, who)
    assert service_database.admission.present == 0


async def test_a_database_that_freezes_before_the_first_connection_is_answered_503_in_time(
    server: EmbeddedServer, bounded: httpx.AsyncClient
) -> None:
    with frozen(server):
        started = time.monotonic()
        assert is_unavailable(await me(bounded, uuid4().hex))
        assert time.monotonic() - started < BOUND


async def test_a_persons_lock_that_is_held_costs_the_others_nothing_for_long(
    bounded: httpx.AsyncClient, owner_database: Database
) -> None:
    who, other = uuid4().hex, uuid4().hex
    for name in (who, other):
        await served(bounded, name)
    body = {"activityCode": "SHINE", "payload": {"ideaTitle": "A title", "ideaSummary": "A summary of it"}}
    async with owner_database.session() as session:
        await session.execute(text("SELECT FROM users WHERE id = :id FOR NO KEY UPDATE"), {"id": who})
        started = time.monotonic()
        stuck = [
            asyncio.create_task(bounded.post("/api/submissions", json=body, headers=tokens.bearer(who)))
            for _ in range(POOL)
        ]
        await served(bounded, other)
        assert all(map(is_unavailable, await asyncio.gather(*stuck)))
        assert time.monotonic() - started < BOUND

    async def accepted() -> bool:
        return (await bounded.post("/api/submissions", json=body, headers=tokens.bearer(who))).status_code == 201

    await until(accepted)


@pytest.mark.parametrize("limits", [ROOMY])
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


@pytest.mark.parametrize("limits", [ROOMY])
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


@pytest.mark.parametrize("limits", [replace(ROOMY, lock=4)])  # after which the server, too, gives up
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
    await asyncio.gather(*(served(bounded, f"{who}-{number}") for number in range(POOL)))
    with frozen(server):
        stuck = [asyncio.create_task(me(bounded, who)) for _ in range(POOL)]
        await asyncio.sleep(0.2)  # nothing tells that a query was sent to a server that does not read
        started = time.monotonic()
        for task in stuck:
            task.cancel()
        await asyncio.wait(stuck, timeout=BOUND)
        assert time.monotonic() - started < BOUND
        assert all(task.done() for task in stuck)

    await served(bounded, who)
    assert service_database.admission.present == 0


async def test_a_statement_and_a_pause_that_take_too_long_are_ended_by_the_server(service_database: Database) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with service_database.session() as session:
            await session.execute(text("SELECT pg_sleep(60)"))
    assert getattr(caught.value.orig, "sqlstate", None) == "57014"


@contextmanager
def cut_between_the_drivers_questions() -> Iterator[list[str]]:
    """The network goes while the driver asks about types, whichever way a statement was sent. The statements it hit."""
    hit: list[str] = []

    async def lost(self: asyncpg.Connection, query: str, *_: object, **__: object) -> None:
        hit.append(query)
        self.terminate()  # what `_introspect_types` meets in asyncpg 0.32 when the network goes in the middle of it
        self._protocol.bind_execute()

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(asyncpg.Connection, "_get_statement", lost)
        yield hit


@pytest.mark.parametrize("limits", [ROOMY])
async def test_a_connection_that_is_lost_between_the_drivers_own_questions_is_answered_503(
    bounded: httpx.AsyncClient,
) -> None:
    who = uuid4().hex
    assert (await me(bounded, who)).status_code == 200
    with cut_between_the_drivers_questions() as hit:
        asked = await bounded.get(
            "/api/submissions", headers=tokens.bearer(who)
        )  # for the first time: not prepared yet
        assert is_unavailable(asked)
        assert hit
    assert (await me(bounded, who)).status_code == 200


@pytest.mark.parametrize("limits", [ROOMY])
async def test_such_a_loss_is_named_as_one_whichever_way_a_statement_went(service_database: Database) -> None:
    async def in_a_transaction() -> None:
        async with service_database.session() as session:
            await session.execute(text(f"SELECT '{uuid4().hex}'"))

    async def on_its_own() -> None:
        await service_database.once(f"SELECT '{uuid4().hex}'")

    for way in (in_a_transaction, on_its_own):
        await way()
        with cut_between_the_drivers_questions() as hit, pytest.raises((DBAPIError, asyncpg.PostgresError)) as caught:
            await way()
        assert hit
        assert isinstance(as_problem(caught.value, {}), DatabaseUnavailable)
        await way()


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
        await session.execute(text("SELECT pg_sleep(3.3)"))  # longer than a statement, and than a transaction
    async with service_database.session() as session:
        assert await session.scalar(text("SHOW statement_timeout")) == "1s"
    assert service_database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def message(kind: bytes, *parts: bytes) -> bytes:
    """Of PostgreSQL's protocol: https://www.postgresql.org/docs/current/protocol-message-formats.html."""
    body = b"".join(parts)
    return kind + struct.pack("!I", len(body) + 4) + body


async def test_a_transaction_whose_end_the_network_swallowed_holds_no_lock_for_good(
    server: EmbeddedServer, owner_database: Database
) -> None:
    """Between Execute and Sync neither a statement runs nor is a transaction idle: only the whole is bounded."""
    limits = Limits(statement=1, lock=1, idle=1, transaction=0.5)
    socket = Address.parse(server.dsn("faults", "elevate_app"))
    place = f"{socket.url.query['host']}/.s.PGSQL.{socket.url.port or socket.url.query.get('port', 5432)}"
    reader, writer = await asyncio.open_unix_connection(place)

    async def ready() -> None:
        while (kind := await reader.readexactly(1)) != b"Z":
            assert kind != b"E"
            await reader.readexactly(struct.unpack("!I", await reader.readexactly(4))[0] - 4)
        await reader.readexactly(5)

    start = message(b"", struct.pack("!I", 196_608), b"user\0elevate_app\0database\0faults\0\0")
    writer.write(start)
    await ready()
    writer.write(message(b"Q", Bounds(limits, transaction_pooled=False)._statement.encode(), b"\0"))
    await ready()
    lock = b"SELECT pg_advisory_xact_lock(4711)\0"
    writer.write(message(b"P", b"\0", lock, b"\0\0") + message(b"B", bytes(8)) + message(b"E", bytes(5)))

    async def is_free() -> bool:
        async with owner_database.session() as session:
            return bool(await session.scalar(text("SELECT pg_try_advisory_xact_lock(4711)")))

    async def is_held() -> bool:
        return not await is_free()

    await until(is_held)
    await until(is_free, seconds=30)
    writer.close()


async def test_a_job_may_take_longer_than_a_request(service_database: Database) -> None:
    async def work(_: object) -> dict[str, object]:
        await asyncio.sleep((LIMITS.transaction or 0) + 0.3)
        return {"ok": True}

    result = await run_single_flight(service_database, "long-job", "test", work)
    assert result.outcome == {"ok": True}


@pytest.fixture
async def limited_role(
    server: EmbeddedServer, owner_database: Database, settings: Settings
) -> AsyncIterator[dict[str, str]]:
    """Its defaults, as `elevate db app-role` sets them, by the names that this server knows."""
    server.psql("GRANT elevate_app TO elevate WITH ADMIN OPTION")
    server.psql("ALTER ROLE elevate CREATEROLE")
    async with owner_database.session() as session:
        await ensure_service_role(session, limits=limits_of(settings))
        knows_whole = await session.scalar(text("SELECT current_setting('server_version_num')::int >= 170000"))
    limits = {"statement_timeout": "10s", "lock_timeout": "3s", "idle_in_transaction_session_timeout": "15s"}
    yield limits | ({"transaction_timeout": "20s"} if knows_whole else {})
    server.psql("ALTER ROLE elevate_app RESET ALL")


async def shown(database: Database, names: Iterable[str]) -> dict[str, str]:
    async with database.session() as session:
        return {name: await session.scalar(text(f"SHOW {name}")) for name in names}


async def test_the_defaults_of_the_role_hold_where_sessions_belong_to_a_pooler(
    server: EmbeddedServer, limited_role: dict[str, str]
) -> None:
    address = Address.parse(server.dsn("faults", "elevate_app"), pooled=True)
    database = Database(address, limits=Limits(statement=1))
    assert await shown(database, limited_role) == limited_role
    await database.dispose()


async def test_the_roles_defaults_bind_neither_a_command_nor_an_export_nor_the_owner(
    server: EmbeddedServer, owner_database: Database, limited_role: dict[str, str]
) -> None:
    command = Database(Address.parse(server.dsn("faults", "elevate_app")), pooled=False, limits=NO_LIMITS)
    for unbound in (command, owner_database):
        assert await shown(unbound, limited_role) == dict.fromkeys(limited_role, "0")

    pooled = Database(Address.parse(server.dsn("faults", "elevate_app"), pooled=True))
    async with snapshot(pooled) as connection:
        for name in limited_role.keys() - {"lock_timeout"}:  # nobody else locks what an export reads
            assert await connection.fetchval(f"SHOW {name}") == "0"
    await pooled.dispose()


async def test_what_takes_long_is_given_its_time_behind_a_pooler_as_well(
    server: EmbeddedServer, owner_database: Database, settings: Settings
) -> None:
    server.psql("ALTER ROLE elevate_app SET statement_timeout = '300ms'")
    if server.binaries.major >= 17:
        server.psql("ALTER ROLE elevate_app SET transaction_timeout = '500ms'")
    try:
        address = Address.parse(server.dsn("faults", "elevate_app"), pooled=True)
        database = Database(address, limits=LIMITS)
        async with database.session() as session:
            await take_time(session, 20)
            await session.execute(text("SELECT pg_sleep(0.8)"))
        with pytest.raises(DBAPIError):
            async with database.session() as session:
                await session.execute(text("SELECT pg_sleep(5)"))
        await database.dispose()
    finally:
        server.psql("ALTER ROLE elevate_app RESET ALL")
