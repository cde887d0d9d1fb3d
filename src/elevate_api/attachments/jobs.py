"""Keeping rows and objects together, in both directions.

A row that goes leaves its key in `attachment_removals` (a trigger's doing), so its object is removed however the row
went: a refusal, an erasure, retention. What no row or removal answers for (a database put back to an earlier point)
is found by listing recent days.
"""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import structlog

from elevate_api.attachments.repository import AttachmentRepository
from elevate_api.attachments.storage import Storage
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database
from elevate_api.kit.jobs import run_single_flight
from elevate_api.kit.schedule import JobSpec

REMOVAL_SECONDS = 300
REMOVAL_BATCH = 500
SWEEP_SECONDS = 86_400
SWEEP_DAYS = 7
"""Days that the daily sweep lists, besides today. An older day is listed by calling `sweep` with it."""

GRACE = timedelta(hours=24)
"""Unfinished uploads and objects younger than this are left alone."""

log = structlog.get_logger(__name__)


def jobs(storage: Storage) -> list[JobSpec]:
    async def run_removals(database: Database) -> None:
        await remove_due(database, storage)

    async def run_sweep(database: Database) -> None:
        today = utcnow().date()
        days = [today - timedelta(days=back) for back in range(SWEEP_DAYS, -1, -1)]
        await run_single_flight(database, "sweep-attachments", "scheduler", lambda _: sweep(database, storage, days))

    return [
        JobSpec("remove-attachments", REMOVAL_SECONDS, run_removals),
        JobSpec("sweep-attachments", SWEEP_SECONDS, run_sweep),
    ]


async def remove_due(database: Database, storage: Storage) -> int:
    """Remove the objects whose time has come; answers how many keys that were. Harmless when run twice at once."""
    removed = 0
    while True:
        async with database.session() as session:
            keys = await AttachmentRepository(session).due_removals(REMOVAL_BATCH)
        if not keys:
            return removed
        await storage.remove(keys)
        async with database.session() as session:
            await AttachmentRepository(session).removed(keys)
        removed += len(keys)


async def sweep(database: Database, storage: Storage, days: Sequence[date]) -> dict[str, Any]:
    """Bring rows and objects of these days (UTC) together.

    Answers `{unfinished, orphans, brokenOff, missing: [id]}`: rows of uploads that never came (removed), objects that
    no row answers for (removed), remains of broken-off uploads (removed), finished files whose object is gone (named:
    the row is evidence too).
    """
    async with database.session() as session:
        unfinished = await AttachmentRepository(session).remove_stale(utcnow() - GRACE)
    orphans = 0
    missing: list[str] = []
    for day in days:
        strays, lost = await _compare(database, storage, day)
        orphans, missing = orphans + strays, [*missing, *map(str, lost)]
    broken_off = await storage.tidy()
    await remove_due(database, storage)
    if missing:
        log.error("attachments_missing", count=len(missing), ids=missing[:20])
    return {"unfinished": unfinished, "orphans": orphans, "brokenOff": broken_off, "missing": missing}


async def _compare(database: Database, storage: Storage, day: date) -> tuple[int, list[UUID]]:
    async with aclosing(storage.keys_of(day)) as found:  # type: ignore[type-var]
        stored = {key: at async for key, at in found}
    start = datetime.combine(day, time(), UTC)
    old = [key for key, at in stored.items() if at < utcnow() - GRACE]
    async with database.session() as session:
        repository = AttachmentRepository(session)
        # A key is made a moment before its row: the day's edge is looked at with some room, and by key.
        rows = await repository.finished_between(start - timedelta(hours=1), start + timedelta(days=1, hours=1))
        strays = sorted(set(old) - await repository.known(old)) if old else []
        if strays:
            await repository.order_removal(strays)
    prefix = f"{day:%Y/%m/%d}/"
    return len(strays), [row for key, row in rows.items() if key.startswith(prefix) and key not in stored]
