"""Stored first, processed second: what an authentic delivery goes through, and who finishes what was interrupted.

This is the one place beside `kit.db` that begins and ends transactions in a request, and it is meant: the first commits
the raw body before anything can fail, the second processes the stored row and may fail as often as it likes
(shared/domain.md, "Kajabi"). What is between them when a process dies is RECEIVED, and `sweep` picks it up.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.kajabi import hot, queries, service
from elevate_api.kajabi.errors import EventUnreadable
from elevate_api.kajabi.hot import Stored
from elevate_api.kajabi.payload import Delivery, NotJson, UnknownShape, read
from elevate_api.kajabi.repository import EventRepository, Work
from elevate_api.kajabi.rules import FINAL, Decision, Status, pause_after
from elevate_api.kajabi.service import LearnTags
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database
from elevate_api.kit.problems import DatabaseUnavailable, describe
from elevate_api.kit.work import UnitOfWork

ABANDONED_AFTER = timedelta(seconds=30)
"""A delivery that is RECEIVED for longer belongs to a process that died: clients give up after some 15 seconds."""
BATCH = 500
OPEN = frozenset({Status.RECEIVED, Status.UNMATCHED, Status.FAILED})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a delivery came to. `event_id`, `status` and `points_awarded` are those of the first of its kind.

    `unreadable`: why the body could not be read; it is stored and waits for an administrator.
    """

    event_id: UUID
    status: Status
    duplicate: bool = False
    points_awarded: int = 0
    parked: bool = False
    unreadable: NotJson | UnknownShape | None = None

    @property
    def stored_as(self) -> Status:
        """The status of the row that this very delivery left."""
        return Status.DUPLICATE if self.duplicate else self.status


async def receive(database: Database, body: bytes, learn_tags: LearnTags) -> Receipt:
    """Take in one authentic delivery. Raises DatabaseUnavailable when it could not be stored."""
    found, fault = _try_to_read(body)
    stored = await _store(database, body, found, fault)
    if fault is not None:
        return Receipt(stored.first_id, Status.FAILED, stored.is_duplicate, parked=True, unreadable=fault)
    if stored.is_duplicate:
        return await _answer_again(database, stored, learn_tags)
    work = Work(stored.id, Status.RECEIVED, body, stored.created_at, found=found)
    return await attempt(database, work, learn_tags)


async def attempt(database: Database, work: Work, learn_tags: LearnTags) -> Receipt:
    """Process a stored event in a transaction of its own; whatever goes wrong is recorded, for another attempt."""
    try:
        async with UnitOfWork(database) as unit:
            return _receipt(work, await service.process(unit, work, learn_tags))
    except Exception as error:  # noqa: BLE001  (the delivery is safe; what stopped it must not stop the next)
        return await _record_failure(database, work, error)


async def sweep(database: Database, learn_tags: LearnTags) -> int:
    """Process what was interrupted, what is due for another attempt; answers how many were looked at."""
    async with database.session() as session:
        due = await queries.due(session, ABANDONED_AFTER, BATCH)
    return await _attempt_all(database, due, learn_tags)


async def sweep_unmatched(database: Database, learn_tags: LearnTags) -> int:
    """Match what waits although its person is there: after imports by hand, or a hook that failed."""
    async with database.session() as session:
        due = await queries.matchable(session, BATCH)
    return await _attempt_all(database, due, learn_tags)


async def _attempt_all(database: Database, event_ids: list[UUID], learn_tags: LearnTags) -> int:
    for event_id in event_ids:
        async with database.session() as session:
            work = await service.load(session, event_id)
        await attempt(database, work, learn_tags)
    return len(event_ids)


def _try_to_read(body: bytes) -> tuple[Delivery | None, NotJson | UnknownShape | None]:
    """Nothing that reading does may keep a body from being stored; a fault of ours shows when it is processed."""
    try:
        return read(body, now=utcnow()), None
    except (NotJson, UnknownShape) as fault:
        return None, fault
    except Exception:
        log.exception("kajabi_reading_failed")
        return None, None


async def _store(database: Database, body: bytes, found: Delivery | None, fault: Exception | None) -> Stored:
    state = Status.RECEIVED if fault is None else Status.FAILED
    try:
        return await store(database, body, found, state=state, fault=None if fault is None else str(fault))
    except Exception as error:
        log.exception("kajabi_delivery_not_stored", size=len(body))
        raise DatabaseUnavailable("The delivery could not be stored. Send it again.") from error


async def store(
    database: Database, body: bytes, found: Delivery | None, *, state: Status, fault: str | None = None
) -> Stored:
    """Put a delivery into the inbox, or beside the first of the same bytes as a DUPLICATE; committed on return.

    One statement, so one transaction without a word more to the server: every delivery waits for this.
    """
    return await hot.store(database, body, found, state, fault)


async def _answer_again(database: Database, stored: Stored, learn_tags: LearnTags) -> Receipt:
    """Answer what the first of the same bytes came to, and finish it where it still waits."""
    if stored.first_status not in OPEN:
        return Receipt(stored.first_id, stored.first_status, duplicate=True, points_awarded=stored.first_points)
    async with database.session() as session:
        first = await service.load(session, stored.first_id)
    receipt = await attempt(database, first, learn_tags)
    return Receipt(receipt.event_id, receipt.status, True, receipt.points_awarded, receipt.parked)


def _receipt(work: Work, decision: Decision) -> Receipt:
    if decision.status is not Status.DUPLICATE or decision.duplicate_of is None:
        return Receipt(work.id, decision.status, points_awarded=decision.points or 0)
    status = decision.first_status or decision.status
    return Receipt(decision.duplicate_of, status, duplicate=True, points_awarded=decision.first_points or 0)


async def _record_failure(database: Database, work: Work, error: Exception) -> Receipt:
    """The error's kind is kept and none of its words, which may hold what was sent."""
    known = describe(error)
    kind = (
        f"{type(error).__name__} {known.sqlstate} {known.constraint or ''}".strip() if known else type(error).__name__
    )
    log.warning("kajabi_processing_failed", event_id=str(work.id), kind=kind, exc_info=error)
    try:
        async with database.session() as session:
            return await _count_failure(session, work, kind, hopeless=isinstance(error, EventUnreadable))
    except Exception:
        log.exception("kajabi_failure_not_recorded", event_id=str(work.id))
        return Receipt(work.id, work.status)


async def _count_failure(session: AsyncSession, work: Work, kind: str, *, hopeless: bool) -> Receipt:
    """Where the event is settled all the same, only the word of it was lost: it is told as it stands."""
    events = EventRepository(session)
    row = await events.get(work.id)
    if row is None:
        return Receipt(work.id, Status.FAILED)
    if row.status in FINAL:
        return _receipt(work, await service.as_it_stands(session, Work.of(row)))
    pause = None if hopeless else pause_after(row.attempts + 1)
    await events.fail(work.id, kind, pause)
    return Receipt(work.id, Status.FAILED, parked=pause is None)
