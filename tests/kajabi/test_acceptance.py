"""Thousands of deliveries by several clients at a server that is killed twice: nothing lost, nothing counted twice.

500 deliveries in the suite, 10,000 with ELEVATE_TEST_ALL=1; the figures are printed (`pytest -s`).
"""

import asyncio
import hashlib
import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from tests.kajabi.deliveries import AI_1, AI_2, ALL, SECRET, TOKEN, flat, hook
from tests.support import tokens
from tests.support.service import Service, running_service

from elevate_api.config import KajabiSettings
from elevate_api.kajabi import inbox
from elevate_api.kajabi.signature import sign
from elevate_api.kit.db import Database

SIZE = 10_000 if os.environ.get("ELEVATE_TEST_ALL") else 500
CLIENTS = 8
KILLS_AT = (SIZE // 3, 2 * SIZE // 3)
TAGS = KajabiSettings.model_validate({}).learn_tags
PLAIN = "/api/webhooks/kajabi"
TWICE = """
    SELECT count(*) FROM (
      SELECT user_id, tag FROM kajabi_events WHERE status = 'PROCESSED' GROUP BY 1, 2 HAVING count(*) > 1) again"""
WITHOUT_BADGE = """
    SELECT count(*) FROM users u WHERE NOT EXISTS (SELECT FROM earned_badges WHERE user_id = u.id)
      AND (SELECT sum(delta_points) FROM points_ledger WHERE user_id = u.id) = 20"""


@dataclass(frozen=True)
class Delivery:
    body: bytes
    person: int | None = None
    tag: str | None = None
    authentic: bool = True
    way: int = 0

    def request(self) -> dict[str, Any]:
        """One of the three ways to be authentic, or of three to be not."""
        secret = SECRET if self.authentic else "wrong-secret-of-the-test-run"
        ways: list[dict[str, Any]] = [
            {"url": f"{PLAIN}/{TOKEN if self.authentic else 'wrong-token-of-the-test-run'}"},
            {"url": PLAIN, "headers": {"X-Webhook-Secret": secret}},
            {"url": PLAIN, "headers": {"X-Kajabi-Signature": sign(secret, self.body)}},
        ]
        return ways[self.way]


@dataclass
class Seen:
    answers: Counter[int] = field(default_factory=Counter)
    acknowledged: list[tuple[bytes, str]] = field(default_factory=list)
    refused: list[bytes] = field(default_factory=list)
    broken: int = 0
    kill_now: dict[int, asyncio.Event] = field(default_factory=lambda: {at: asyncio.Event() for at in KILLS_AT})

    @property
    def done(self) -> int:
        return self.answers.total()

    def count(self, status: int) -> None:
        self.answers[status] += 1
        if self.done in self.kill_now:
            self.kill_now[self.done].set()


def mail(person: int) -> str:
    return f"teacher{person}@school.test"


def people_of(size: int) -> int:
    return size // 6


def make(rng: random.Random, size: int) -> list[Delivery]:
    """Completions of known people and of those who sign in meanwhile, strangers, noise; shuffled, a fifth twice."""
    found: list[Delivery] = []
    for number in range(int(size * 0.8)):
        person, way = rng.randrange(people_of(size)), rng.randrange(3)
        tag = rng.choice([AI_1, AI_2, ALL])
        relayed = rng.random() < 0.5
        valid = (flat if relayed else hook)(str(person), mail(person), tag, bio=number)
        roll = rng.random()
        if roll < 0.65:
            found.append(Delivery(valid, person, tag, way=way))
        elif roll < 0.80:
            found.append(Delivery(valid, authentic=False, way=way))
        elif roll < 0.86:
            found.append(Delivery(hook(f"stranger-{number}", f"stranger{number}@school.test", tag), way=way))
        elif roll < 0.93:
            found.append(Delivery(rng.choice([b"{%d", b"[%d]", b'{"hello": %d}', b"\xff%d"]) % number, way=way))
        else:
            event, label = rng.choice([("tag_removed", tag), ("tag_added", "newsletter"), ("purchase", tag)])
            found.append(Delivery(hook(str(person), mail(person), label, event, bio=number), way=way))
    found += rng.choices(found, k=size - len(found))
    rng.shuffle(found)
    return found


async def send(client: httpx.AsyncClient, deliveries: list[Delivery], seen: Seen) -> None:
    """Send on until somebody answers: the sender cannot know whether a delivery whose connection broke was stored."""
    while deliveries:
        delivery = deliveries.pop()
        while True:
            try:
                answer = await client.post(content=delivery.body, **delivery.request())
            except httpx.TransportError:
                seen.broken += 1
                await asyncio.sleep(0.1)
                continue
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            await asyncio.sleep(0.1)
        seen.count(answer.status_code)
        if answer.status_code in (200, 202):
            seen.acknowledged.append((delivery.body, answer.json()["eventId"]))
        elif not delivery.authentic:
            seen.refused.append(delivery.body)


async def arrive(client: httpx.AsyncClient, people: list[int]) -> None:
    """Sign in for the first time, while one's own completions arrive."""
    for person in people:
        headers = tokens.bearer(f"user-{person}", email=mail(person))
        while True:
            try:
                if (await client.get("/api/me", headers=headers)).status_code == httpx.codes.OK:
                    break
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


async def kill_twice(service: Service, seen: Seen) -> None:
    for moment in seen.kill_now.values():
        await moment.wait()
        service.kill()
        await asyncio.to_thread(service.start)


@pytest.fixture
def service(app_dsn: str, owner_dsn: str, tmp_path: Path) -> Service:
    settings = {
        "KAJABI_WEBHOOK_TOKENS": TOKEN,
        "KAJABI_WEBHOOK_SECRET": SECRET,
        "CLERK_ISSUER": tokens.ISSUER,
        "LOG_LEVEL": "WARNING",
    }
    return Service(app_dsn, owner_dsn, tmp_path / "service.log", settings)


async def settle(database: Database, monkeypatch: pytest.MonkeyPatch) -> int:
    """What the job does half a minute later: finish what a kill left between storing and processing."""
    monkeypatch.setattr(inbox, "ABANDONED_AFTER", timedelta(0))
    finished = 0
    while count := await inbox.sweep(database, TAGS):
        finished += count
    return finished


async def test_nothing_is_lost_and_nothing_is_counted_twice(
    service: Service, database: Database, owner_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, seen = random.Random(SIZE), Seen()  # noqa: S311  (the same input every time)
    deliveries = make(rng, SIZE)
    everybody = list(range(people_of(SIZE)))
    known, newcomers = everybody[::2], everybody[1::2]
    owner = await asyncpg.connect(owner_dsn)
    await owner.executemany(
        "INSERT INTO users (id, handle, email, email_verified) VALUES ($1, $1, $2, true)",
        [(f"user-{person}", mail(person)) for person in known],
    )
    started = time.monotonic()
    with running_service(service):
        async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
            queue = list(deliveries)
            clients = [send(client, queue, seen) for _ in range(CLIENTS)]
            await asyncio.gather(*clients, arrive(client, newcomers), kill_twice(service, seen))
    seconds = time.monotonic() - started
    left = await settle(database, monkeypatch)
    await check(owner, deliveries, seen)
    figures = f"{dict(seen.answers)}, {seen.broken} broken connections, {left} finished by the job"
    sys.stdout.write(f"\n{SIZE} deliveries, {seconds:.1f} s: {figures}\n")
    await owner.close()


async def check(owner: asyncpg.Connection, deliveries: list[Delivery], seen: Seen) -> None:
    assert seen.done == len(deliveries)
    assert set(seen.answers) == {200, 202, 400, 401}
    assert seen.answers[401] == len(seen.refused) == sum(not delivery.authentic for delivery in deliveries)
    events = await owner.fetch("SELECT id, body, body_sha256, status FROM kajabi_events")
    ids, stored = {str(row["id"]) for row in events}, Counter(row["body_sha256"] for row in events)
    assert {event_id for _, event_id in seen.acknowledged} <= ids
    for body, number in Counter(body for body, _ in seen.acknowledged).items():
        assert stored[hashlib.sha256(body).digest()] >= number
    assert not {hashlib.sha256(body).digest() for body in seen.refused} & (
        stored.keys() - {hashlib.sha256(d.body).digest() for d in deliveries if d.authentic}
    )
    assert not {"RECEIVED"} & {row["status"] for row in events}
    assert await points_of(owner) == recount(deliveries)
    assert await owner.fetchval(TWICE) == 0
    assert await owner.fetchval(WITHOUT_BADGE) == 0


async def points_of(owner: asyncpg.Connection) -> dict[str, int]:
    rows = await owner.fetch("SELECT user_id, sum(delta_points)::int AS points FROM points_ledger GROUP BY user_id")
    return {row["user_id"]: row["points"] for row in rows}


def recount(deliveries: list[Delivery]) -> dict[str, int]:
    """From the input alone: everybody's distinct tags, up to the cap."""
    earned: dict[int, set[str]] = {}
    for delivery in deliveries:
        if delivery.person is not None and delivery.tag is not None:
            earned.setdefault(delivery.person, set()).add(delivery.tag)
    return {f"user-{person}": min(20, sum(TAGS[tag] for tag in tags)) for person, tags in earned.items()}
