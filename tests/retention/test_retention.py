"""What is old goes, what is not stays, and nobody can make the database forget what is recent."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from tests.conftest import CRON_SECRET
from tests.support.factories import Factory, restoring

from elevate_api.config import RetentionSettings
from elevate_api.kit.db import Database
from elevate_api.kit.jobs import run_single_flight
from elevate_api.retention import clock, service

SETTINGS = RetentionSettings()
CRON = {"Authorization": f"Bearer {CRON_SECRET}"}


async def write(owner: Database, statement: str, **values: Any) -> Any:
    async with restoring(owner) as session:
        return await session.execute(text(statement), values)


async def rows(owner: Database, query: str) -> list[tuple[Any, ...]]:
    async with owner.session() as session:
        return [tuple(row) for row in await session.execute(text(query))]


async def old_and_young(owner: Database, factory: Factory) -> None:
    """Of everything one row on each side of its end, by an hour."""
    user = await factory.user()
    decided = await factory.submission(user, "EXPLORE", "APPROVED")
    waiting = await factory.submission(user, "SHINE", "PENDING")
    for number, (submission, edge) in enumerate(((decided, "-1 hour"), (decided, "1 hour"), (waiting, "-1 hour"))):
        await write(
            owner,
            "INSERT INTO submission_attachments (submission_id, filename, content_type, size_bytes, sha256,"
            " storage_key, created_at) VALUES (:id, 'a.pdf', 'application/pdf', 9, repeat('a', 64), :key,"
            " now() - interval '24 months' + CAST(CAST(:edge AS text) AS interval))",
            id=submission.id, key=f"key-{number}", edge=edge,
        )  # fmt: skip
    for status, edge in (
        ("UNMATCHED", "-1 hour"),
        ("IGNORED", "-1 hour"),
        ("PROCESSED", "-1 hour"),
        ("IGNORED", "1 hour"),
    ):
        await write(
            owner,
            "INSERT INTO kajabi_events (body, body_sha256, contact_id, email, tag, user_id, status, points_awarded,"
            " created_at) SELECT b, sha256(b), 'c-1', 'siti@school.test', 'learn', CAST(:user AS text),"
            " CAST(:status AS text), 10, now() - interval '12 months' + CAST(CAST(:edge AS text) AS interval)"
            " FROM convert_to(CAST(:status AS text) || CAST(:edge AS text), 'UTF8') b",
            user=user.id if status == "PROCESSED" else None, status=status, edge=edge,
        )  # fmt: skip
    for edge in ("-1 hour", "1 hour"):
        await write(
            owner,
            "INSERT INTO audit_log (action, target_type, target_id, created_at) VALUES (CAST(:edge AS text), 't', '1',"
            " now() - interval '24 months' + CAST(CAST(:edge AS text) AS interval))",
            edge=edge,
        )


async def test_what_is_over_its_months_goes_and_the_rest_stays(
    owner: Database, database: Database, factory: Factory
) -> None:
    await old_and_young(owner, factory)
    assert await service.preview(database, SETTINGS) == {"evidence": 1, "kajabi": 3, "audit": 1}
    assert await service.remove(database, SETTINGS) == {"evidence": 1, "kajabi": 3, "audit": 1}
    assert await rows(owner, "SELECT storage_key FROM submission_attachments ORDER BY 1") == [("key-1",), ("key-2",)]
    assert await rows(owner, "SELECT storage_key FROM attachment_removals") == [("key-0",)]
    assert await rows(owner, "SELECT action FROM audit_log WHERE target_type = 't'") == [("1 hour",)]
    emptied = (
        "SELECT status, contact_id, length(body_sha256) FROM kajabi_events WHERE body = '' AND email IS NULL ORDER BY 1"
    )
    assert await rows(owner, emptied) == [("IGNORED", None, 32), ("IGNORED", None, 32), ("PROCESSED", "c-1", 32)]
    assert await service.remove(database, SETTINGS) == {"evidence": 0, "kajabi": 0, "audit": 0}


async def test_months_are_the_settings(owner: Database, database: Database, factory: Factory) -> None:
    await old_and_young(owner, factory)
    longer = RetentionSettings.model_validate(
        {"RETENTION_EVIDENCE_MONTHS": 25, "RETENTION_KAJABI_MONTHS": 13, "RETENTION_AUDIT_MONTHS": 25}
    )
    assert set((await service.remove(database, longer)).values()) == {0}


async def test_more_than_a_batch_goes_in_several_transactions(owner: Database, database: Database) -> None:
    await write(
        owner,
        "INSERT INTO audit_log (action, target_type, target_id, created_at)"
        " SELECT 'x', 't', n::text, now() - interval '3 years' FROM generate_series(1, :rows) n",
        rows=2 * service.BATCH + 1,
    )
    assert (await service.remove(database, SETTINGS))["audit"] == 2 * service.BATCH + 1


async def test_the_service_cannot_remove_what_is_recent(owner: Database, database: Database) -> None:
    await write(
        owner,
        "INSERT INTO audit_log (action, target_type, target_id, created_at)"
        " VALUES ('x', 't', '1', now() - interval '5 months')",
    )
    async with database.session() as session:
        for months in (0, 1, -100):
            removed = await session.scalar(text("SELECT remove_old_audit(:months, 100)"), {"months": months})
            assert removed == 0
    with pytest.raises(Exception, match="permission denied"):
        async with database.session() as session:
            await session.execute(text("DELETE FROM audit_log"))


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_cron_answers_what_was_removed(
    client: httpx.AsyncClient, owner: Database, factory: Factory, method: str
) -> None:
    await old_and_young(owner, factory)
    answer = await client.request(method, "/api/cron/retention", headers=CRON)
    assert answer.status_code == 200
    assert answer.json()["removed"] == {"evidence": 1, "kajabi": 3, "audit": 1}
    assert await rows(owner, "SELECT id::text, ok FROM job_runs WHERE name = 'retention'") == [
        (answer.json()["jobId"], True)
    ]
    assert (await client.request(method, "/api/cron/retention")).status_code == 401


async def test_an_overlapping_call_gets_the_running_job(client: httpx.AsyncClient, database: Database) -> None:
    answers: list[httpx.Response] = []

    async def work(_: Any) -> dict[str, Any]:
        answers.append(await client.post("/api/cron/retention", headers=CRON))
        return {"ok": True, "removed": {}}

    running = await run_single_flight(database, service.JOB, "test", work)
    assert (answers[0].status_code, answers[0].json()) == (202, {"jobId": str(running.job_id), "running": True})


async def test_the_clock_tells_how_long_the_oldest_erasure_is_due(database: Database, factory: Factory) -> None:
    await clock.measure(database)
    assert (clock.WAITING._value.get(), clock.DELAY._value.get()) == (0, 0)
    now = datetime.now(UTC)
    await factory.user(erase_at=now + timedelta(days=3))
    late = await factory.user(erase_at=now - timedelta(hours=73))
    await factory.user(erase_at=now - timedelta(days=9), erased_at=now)
    await clock.measure(database)
    assert clock.WAITING._value.get() == 2
    assert 73 * 3600 <= clock.DELAY._value.get() < 73 * 3600 + 120
    async with database.session() as session:
        first = (await clock.waiting(session))[0]
    assert first.user_id == late.id
    assert -3720 < first.left_seconds <= -3600
