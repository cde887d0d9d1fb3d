"""Webhook ingest over HTTP: the service against the sequence that one would first write with an ORM.

    python benchmarks/webhooks.py [--seconds 4] [--repeat 5] [--clients 8]

Both run in this run, on the same embedded PostgreSQL, each as one uvicorn process (uvloop, httptools) with a database
of its own; the load is plain sockets in this process. Rounds alternate between the two, the figures are medians, and
only their ratios mean anything: machines differ and are noisy. The naive one is a bare FastAPI application without the
service's middleware, and does less: one transaction, so nothing is stored when it fails, no badges, no audit row.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel
from sqlalchemy import func, select

from elevate_api.app import create_app
from elevate_api.config import Settings
from elevate_api.kajabi.models import KajabiEvent
from elevate_api.kit import logging
from elevate_api.kit.db import Address, Database
from elevate_api.ops import migrations
from elevate_api.ops.roles import SERVICE_ROLE, ensure_service_role
from elevate_api.points.models import LedgerEntry
from elevate_api.postgres.testing import ephemeral
from elevate_api.seeds import reference
from elevate_api.users.models import User

TOKEN = "token-of-the-benchmark"  # noqa: S105
PATH = f"/api/webhooks/kajabi/{TOKEN}"
PEOPLE = 60_000
TAG = "elevate-ai-1-completed"
CONTENDERS = ("ours", "naive")


# --- the naive one ----------------------------------------------------------------------------------------------------


class Answer(BaseModel):
    event_id: UUID
    status: str
    duplicate: bool
    points_awarded: int


def naive_app(dsn: str) -> FastAPI:
    """Look, insert, look, sum, insert, update, commit, refresh: an object each."""
    database = Database(Address.parse(dsn), pool_size=20)
    app = FastAPI()

    @app.post("/api/webhooks/kajabi/{token}")
    async def receive(token: str, request: Request) -> Answer:
        if token != TOKEN:
            raise HTTPException(401)
        body = await request.body()
        async with database.session() as session:
            digest = _sha256(body)
            first = await session.scalar(select(KajabiEvent).where(KajabiEvent.body_sha256 == digest).limit(1))
            event = KajabiEvent(body=body, body_sha256=digest)
            session.add(event)
            await session.flush()
            if first is not None:
                event.status, event.duplicate_of = "DUPLICATE", first.id
                return Answer(event_id=first.id, status=first.status, duplicate=True, points_awarded=0)
            document = json.loads(body)
            contact, tag = document["payload"][0], document["payload"][1]["attributes"]["name"].lower()
            event.event_type, event.contact_id, event.tag = document["event"], contact["id"], tag
            event.email = contact["attributes"]["email"].lower()
            user = await session.scalar(select(User).where(User.kajabi_contact_id == event.contact_id))
            if user is None:
                same = (func.lower(User.email) == event.email, User.email_verified)
                user = await session.scalar(select(User).where(*same))
            if tag != TAG or user is None:
                event.status = "IGNORED" if tag != TAG else "UNMATCHED"
                return Answer(event_id=event.id, status=event.status, duplicate=False, points_awarded=0)
            user.kajabi_contact_id = event.contact_id
            learned = (LedgerEntry.user_id == user.id, LedgerEntry.activity_code == "LEARN")
            entries = (await session.scalars(select(LedgerEntry).where(*learned))).all()
            points = min(10, 20 - sum(entry.delta_points for entry in entries))
            cause = f"kajabi:{event.contact_id}|tag:{tag}"
            entry = LedgerEntry(user_id=user.id, activity_code="LEARN", source="WEBHOOK", delta_points=points)
            entry.external_event_id = cause
            session.add(entry)
            event.status, event.user_id, event.points_awarded = "PROCESSED", user.id, points
            await session.flush()
            await session.refresh(event)
            return Answer(event_id=event.id, status=event.status, duplicate=False, points_awarded=points)

    return app


def _sha256(body: bytes) -> bytes:
    import hashlib  # noqa: PLC0415

    return hashlib.sha256(body).digest()


# --- servers ----------------------------------------------------------------------------------------------------------


def serve(which: str, dsn: str, port: int) -> None:
    os.environ |= {
        "DATABASE_URL": dsn,
        "KAJABI_WEBHOOK_TOKENS": TOKEN,
        "SCHEDULER_ENABLED": "false",
        "RATE_LIMIT_ENABLED": "false",
        "LOG_LEVEL": "WARNING",
    }
    logging.configure("WARNING", json=True)
    app = naive_app(dsn) if which == "naive" else create_app(Settings.load(None))
    uvicorn.run(app, host="127.0.0.1", port=port, log_config=None, access_log=False, loop="uvloop", http="httptools")


@contextmanager
def server(which: str, dsn: str, port: int) -> Iterator[None]:
    command = [sys.executable, __file__, "--serve", which, "--dsn", dsn, "--port", str(port)]
    process = subprocess.Popen(command)  # noqa: S603
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


async def prepare(owner: Address) -> None:
    database = Database(owner, pooled=False)
    async with database.session() as session:
        await ensure_service_role(session)
        await reference.seed(session, Settings.load(None))
    await database.dispose()
    connection = await asyncpg.connect(**owner.driver_arguments())
    await connection.execute(
        "INSERT INTO users (id, handle, email, email_verified) "
        "SELECT 'user_' || n, 'teacher-' || n, 'teacher' || n || '@school.test', true FROM generate_series(1, $1) n",
        PEOPLE,
    )
    await connection.execute("ANALYZE users")
    await connection.close()


# --- load -------------------------------------------------------------------------------------------------------------


def completion(number: int, tag: str) -> bytes:
    resources = [
        {
            "id": str(number),
            "type": "contacts",
            "attributes": {"name": "Siti Nurhaliza", "email": f"teacher{number}@school.test", "external_user_id": None},
            "relationships": {"site": {"data": {"id": "2", "type": "sites"}}},
        },
        {"id": "5", "type": "contact_tags", "attributes": {"name": tag}, "relationships": {}},
    ]
    return json.dumps({"id": str(number), "event": "tag_added", "payload": resources}).encode()


def workloads() -> dict[str, Callable[[int], bytes]]:
    """`granted`: a new completion of another person each time. `repeated`: bytes that came before. `ignored`."""
    return {
        "granted": lambda number: completion(number, TAG),
        "repeated": lambda _number: completion(1, TAG),
        "ignored": lambda number: completion(number, f"newsletter-{number}"),
    }


def as_request(body: bytes) -> bytes:
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    for _ in range(600):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            break
        except OSError:
            await asyncio.sleep(0.1)
    else:
        raise SystemExit("a server did not start")
    try:
        yield reader, writer
    finally:
        writer.close()


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> bytes:
    writer.write(as_request(body))
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    answer = await reader.readexactly(length)
    assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")), head + answer
    return answer


async def load(
    port: int, body_of: Callable[[int], bytes], numbers: "count[int]", clients: int, seconds: float
) -> float:
    """Deliveries per second."""
    done, until = 0, time.perf_counter() + seconds

    async def client() -> None:
        nonlocal done
        async with connected(port) as (reader, writer):
            while time.perf_counter() < until:
                await exchange(reader, writer, body_of(next(numbers)))
                done += 1

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return done / (time.perf_counter() - started)


async def measure(ports: dict[str, int], arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    rates: dict[str, dict[str, list[float]]] = {}
    numbers = {which: count(1) for which in ports}
    for _ in range(arguments.repeat):
        for name, body_of in workloads().items():
            for which, port in ports.items():
                rate = await load(port, body_of, numbers[which], arguments.clients, arguments.seconds)
                rates.setdefault(name, {}).setdefault(which, []).append(rate)
                if next(numbers[which]) > PEOPLE:
                    raise SystemExit("more deliveries than people: fewer seconds or repetitions, please")
    return {name: {w: statistics.median(r) for w, r in by.items()} for name, by in rates.items()}


def report(rates: dict[str, dict[str, float]]) -> None:
    print(f"{'workload':<10} {'ours/s':>8} {'naive/s':>8} {'ratio':>6}")
    for name, by in rates.items():
        print(f"{name:<10} {by['ours']:>8.0f} {by['naive']:>8.0f} {by['ours'] / by['naive']:>6.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--serve", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--dsn", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=8471, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.dsn, arguments.port)
        return
    ports: dict[str, Any] = {which: arguments.port + number for number, which in enumerate(CONTENDERS)}
    with ephemeral() as postgres:
        postgres.psql(f"CREATE ROLE {SERVICE_ROLE} LOGIN")
        for which in CONTENDERS:
            postgres.create_database(which)
            owner = Address.parse(postgres.dsn(which))
            migrations.upgrade(owner)
            asyncio.run(prepare(owner))
        postgres.psql("DROP INDEX kajabi_events_body_key", database="naive")  # it would stumble over copies at once
        dsns = {which: postgres.dsn(which, SERVICE_ROLE) for which in CONTENDERS}
        with server("ours", dsns["ours"], ports["ours"]), server("naive", dsns["naive"], ports["naive"]):
            report(asyncio.run(measure(ports, arguments)))


if __name__ == "__main__":
    main()
