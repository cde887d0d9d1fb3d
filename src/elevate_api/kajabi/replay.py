"""Processing events again. Idempotent: what is final stays, what comes to the same is not written."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.audit.service import record
from elevate_api.kajabi import queries, service
from elevate_api.kajabi.errors import EventUnreadable
from elevate_api.kajabi.forecast import Forecast, Progress
from elevate_api.kajabi.payload import NotJson, UnknownShape, read
from elevate_api.kajabi.queries import Key
from elevate_api.kajabi.repository import EventRepository, Work
from elevate_api.kajabi.rules import FINAL, Decision, Status
from elevate_api.kajabi.service import LearnTags
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database

BATCH = 100
LISTED = 5000

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Tally:
    """What a replay came to; `last` is the key to go on after, None at the end."""

    examined: int = 0
    changed: int = 0
    failed: int = 0
    points: int = 0
    last: Key | None = None

    def add(self, before: Status, decision: Decision | None) -> None:
        self.examined += 1
        if decision is None or decision.status is Status.FAILED:
            self.failed += 1
        elif decision.status is not before:
            self.changed += 1
            self.points += decision.points or 0


async def one(session: AsyncSession, event_id: UUID, actor_id: str | None, learn_tags: LearnTags) -> Decision:
    """Raises NotFound. What cannot be read stays FAILED."""
    return (await _one(session, event_id, actor_id, learn_tags))[0]


async def _one(
    session: AsyncSession, event_id: UUID, actor_id: str | None, learn_tags: LearnTags
) -> tuple[Decision, Status]:
    """With the status before: what somebody else settles at the same moment is not told as done by this replay."""
    work = await service.load(session, event_id)
    try:
        decision, before = await service.process_from(session, work, learn_tags)
    except EventUnreadable:
        return service.as_it_is(work), work.status
    if decision.status is not before:
        details = {"before": before.value, "after": decision.status.value}
        record(session, actor_id=actor_id, action="kajabi.replay", target_type="kajabi_event", target_id=event_id,
               details=details)  # fmt: skip
    return decision, before


async def batch(
    session: AsyncSession, status: Status, after: Key | None, actor_id: str | None, learn_tags: LearnTags
) -> Tally:
    """A hundred events of a status, the oldest first, in this transaction; one that fails does not stop the others."""
    keys = await queries.oldest(session, status, after, BATCH + 1)
    tally = Tally(last=keys[BATCH - 1] if len(keys) > BATCH else None)
    for _, event_id in keys[:BATCH]:
        decision, before = await _guarded(session, event_id, actor_id, learn_tags) or (None, status)
        tally.add(before, decision)
    return tally


async def several(
    database: Database,
    event_ids: Sequence[UUID],
    was: Status,
    learn_tags: LearnTags,
    progress: Progress,
    *,
    dry_run: bool,
) -> Tally:
    """Each event in a transaction of its own; `dry_run` only forecasts, reading without locks.

    `was` is the status that they had: one that another of them has settled meanwhile counts as changed too.
    """
    tally, forecast = Tally(), Forecast(learn_tags)
    for event_id in event_ids:
        async with database.session() as session:
            if dry_run:
                decision: Decision | None = await _foresee(session, await service.load(session, event_id), forecast)
            else:
                decision, _ = await _guarded(session, event_id, None, learn_tags) or (None, was)
        tally.add(was, decision)
        progress(1)
    return tally


async def _foresee(session: AsyncSession, work: Work, forecast: Forecast) -> Decision:
    if work.status in FINAL or not work.body:
        return service.as_it_is(work)
    try:
        found = read(work.body, now=utcnow())
    except (NotJson, UnknownShape):
        return service.as_it_is(work)
    return await forecast.of(EventRepository(session), found)


async def _guarded(
    session: AsyncSession, event_id: UUID, actor_id: str | None, learn_tags: LearnTags
) -> tuple[Decision, Status] | None:
    try:
        async with session.begin_nested():
            return await _one(session, event_id, actor_id, learn_tags)
    except Exception:
        log.exception("kajabi_replay_failed", event_id=str(event_id))
        return None
