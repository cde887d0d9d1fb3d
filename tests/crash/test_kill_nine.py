"""kill -9 of the API and of PostgreSQL in the middle of submissions and approvals: nothing acknowledged is lost."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from tests.support import tokens
from tests.support.payloads import payload_for
from tests.support.service import Service, running_service

from elevate_api.config import Settings
from elevate_api.kit.db import Address, Database
from elevate_api.ops import migrations
from elevate_api.postgres.server import EmbeddedServer
from elevate_api.postgres.testing import crash, scratch_dir
from elevate_api.seeds.reference import seed

TEACHERS, REVIEWERS = 8, 3
KILLS = 6 if os.environ.get("ELEVATE_TEST_ALL") else 2
BETWEEN_KILLS = 8
"""Acknowledgements before each kill, so that every kill hits traffic, however slow the machine."""

CONSISTENT = {
    "an approval and its ledger row": """
        SELECT count(*) FROM submissions s FULL JOIN points_ledger l
          ON l.external_event_id = 'submission:' || s.id || ':approved:v1'
        WHERE (s.status = 'APPROVED' AND s.points_awarded > 0 AND l.delta_points IS DISTINCT FROM s.points_awarded)
           OR (l.id IS NOT NULL AND s.status IS DISTINCT FROM 'APPROVED')""",
    "an approval and its badge": """
        SELECT count(*) FROM submissions s WHERE s.status = 'APPROVED' AND s.activity_code = 'AMPLIFY'
          AND NOT EXISTS (SELECT FROM earned_badges b WHERE b.user_id = s.user_id AND b.badge_code = 'AMPLIFIER')""",
    "a change and its audit row": """
        SELECT count(*) FROM submissions s WHERE NOT EXISTS (
          SELECT FROM audit_log a WHERE a.target_id = s.id::text AND a.action = CASE s.status
            WHEN 'APPROVED' THEN 'submission.approve' ELSE 'submission.create' END)""",
    "a decided submission and no claim": """
        SELECT count(*) FROM review_claims c JOIN submissions s ON s.id = c.submission_id
        WHERE s.status <> 'PENDING'""",
}


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    """A server of its own that waits for the disk, as in production."""
    with scratch_dir() as folder, EmbeddedServer(folder) as server:
        server.create_database("crash")
        owner = Address.parse(server.dsn("crash"))
        server.psql("CREATE ROLE elevate_app LOGIN", database="crash")
        migrations.upgrade(owner)
        asyncio.run(prepare(owner))
        yield server


async def prepare(owner: Address) -> None:
    connection = await asyncpg.connect(**owner.driver_arguments())
    await connection.executemany(
        "INSERT INTO users (id, handle, name, role) VALUES ($1, $1, $1, $2)",
        [(f"reviewer-{number}", "REVIEWER") for number in range(REVIEWERS)],
    )
    await connection.close()
    database = Database(owner, pooled=False)
    async with database.session() as session:
        await seed(session, Settings())
    await database.dispose()


@dataclass
class Acknowledged:
    submitted: set[str] = field(default_factory=set)
    approved: dict[str, int] = field(default_factory=dict)

    async def more(self, wanted: int) -> None:
        """Wait for so many further acknowledgements."""
        start = len(self.submitted) + len(self.approved)
        async with asyncio.timeout(60):
            while len(self.submitted) + len(self.approved) < start + wanted:  # noqa: ASYNC110 - no event to wait for
                await asyncio.sleep(0.02)


async def call(
    client: httpx.AsyncClient, who: str, method: str, path: str, body: dict[str, Any]
) -> httpx.Response | None:
    """None when the connection broke: then nobody knows, and nothing is claimed."""
    try:
        return await client.request(method, path, json=body, headers=tokens.bearer(who))
    except httpx.TransportError:
        await asyncio.sleep(0.05)
        return None


async def teach(client: httpx.AsyncClient, who: str, seen: Acknowledged, over: asyncio.Event) -> None:
    body = {"activityCode": "AMPLIFY", "payload": payload_for("AMPLIFY", peersTrained=2, studentsTrained=1)}
    for number in count():
        # The hourly limit holds per person, so everybody brings a new colleague along in time.
        answer = await call(client, f"{who}-{number // 8}", "POST", "/api/submissions", body)
        if over.is_set():
            return
        if answer is not None and answer.status_code == httpx.codes.CREATED:
            seen.submitted.add(answer.json()["id"])
        await asyncio.sleep(0.1)


async def review(client: httpx.AsyncClient, who: str, seen: Acknowledged, over: asyncio.Event) -> None:
    while not over.is_set():
        claimed = await call(client, who, "POST", "/api/review/claims", {"count": 3})
        items = claimed.json().get("items", []) if claimed is not None else []
        for item in items:
            path = f"/api/review/{item['submission']['id']}/approve"
            answer = await call(client, who, "POST", path, {"version": item["submission"]["version"]})
            if answer is not None and answer.status_code == httpx.codes.OK:
                seen.approved[item["submission"]["id"]] = answer.json()["pointsAwarded"]
        if not items:
            await asyncio.sleep(0.05)


async def traffic(service: Service, server: EmbeddedServer) -> Acknowledged:
    seen, over = Acknowledged(), asyncio.Event()
    async with httpx.AsyncClient(base_url=service.url, timeout=10) as client:
        workers = [teach(client, f"teacher-{number}", seen, over) for number in range(TEACHERS)]
        workers += [review(client, f"reviewer-{number}", seen, over) for number in range(REVIEWERS)]
        running = [asyncio.create_task(worker) for worker in workers]
        for number in range(KILLS):
            await seen.more(BETWEEN_KILLS)
            if number % 2:
                crash(server)
                server.start()  # in the main thread: the server ends with the thread that starts it
            else:
                service.kill()
                await asyncio.to_thread(service.start)
        await seen.more(BETWEEN_KILLS)
        over.set()
        await asyncio.gather(*running)
    return seen


def test_nothing_acknowledged_is_lost_and_nothing_is_half_done(server: EmbeddedServer, tmp_path: Path) -> None:
    service = Service(server.dsn("crash", "elevate_app"), server.dsn("crash"), tmp_path / "service.log")
    with running_service(service):
        seen = asyncio.run(traffic(service, server))
    assert seen.submitted
    assert seen.approved
    asyncio.run(judge(Address.parse(server.dsn("crash")), seen))


async def judge(owner: Address, seen: Acknowledged) -> None:
    connection = await asyncpg.connect(**owner.driver_arguments())
    try:
        rows = await connection.fetch("SELECT id::text, points_awarded FROM submissions")
        stored = {row["id"]: row["points_awarded"] for row in rows}
        assert seen.submitted <= stored.keys()
        assert {key: stored[key] for key in seen.approved} == seen.approved
        for name, query in CONSISTENT.items():
            assert await connection.fetchval(query) == 0, name
    finally:
        await connection.close()
