"""Reading the inbox: pages for administrators, what is due, what waits."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from elevate_api.kajabi.models import KajabiEvent
from elevate_api.kajabi.rules import Status

Key = tuple[datetime, UUID]

_DUE = text("""
    SELECT id FROM (
      (SELECT id, created_at FROM kajabi_events
       WHERE status = 'RECEIVED' AND created_at < clock_timestamp() - make_interval(secs => :seconds)
       ORDER BY created_at LIMIT :most)
      UNION ALL
      (SELECT id, next_attempt_at FROM kajabi_events WHERE status = 'FAILED' AND next_attempt_at <= clock_timestamp()
       ORDER BY next_attempt_at LIMIT :most)
    ) due ORDER BY created_at LIMIT :most
""")
_MATCHABLE = text("""
    SELECT e.id FROM kajabi_events e
    WHERE e.status = 'UNMATCHED' AND (
      EXISTS (SELECT FROM users u WHERE u.kajabi_contact_id = e.contact_id)
      OR EXISTS (SELECT FROM users u WHERE lower(u.email) = e.email AND u.email_verified AND u.erased_at IS NULL))
    ORDER BY e.created_at, e.id LIMIT :most
""")
_WAITING = text("""
    SELECT status, count(*) AS events, coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) AS age
    FROM kajabi_events WHERE status IN ('RECEIVED', 'UNMATCHED', 'FAILED') GROUP BY status
""")


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many events have a status, and the age of the oldest of them in seconds."""

    events: int
    oldest_seconds: float


async def page(session: AsyncSession, status: Status | None, after: Key | None, limit: int) -> list[KajabiEvent]:
    """The newest first, without their bodies, from after that (created_at, id)."""
    statement = select(KajabiEvent).options(defer(KajabiEvent.body, raiseload=True))
    if status is not None:
        statement = statement.where(KajabiEvent.status == status)
    if after is not None:
        statement = statement.where(tuple_(KajabiEvent.created_at, KajabiEvent.id) < after)
    statement = statement.order_by(KajabiEvent.created_at.desc(), KajabiEvent.id.desc()).limit(limit)
    return list(await session.scalars(statement))


async def oldest(session: AsyncSession, status: Status, after: Key | None, limit: int) -> list[Key]:
    """Keys of events with a status, the oldest first: what a replay goes through."""
    statement = select(KajabiEvent.created_at, KajabiEvent.id).where(KajabiEvent.status == status)
    if after is not None:
        statement = statement.where(tuple_(KajabiEvent.created_at, KajabiEvent.id) > after)
    rows = await session.execute(statement.order_by(KajabiEvent.created_at, KajabiEvent.id).limit(limit))
    return [(row.created_at, row.id) for row in rows]


async def due(session: AsyncSession, abandoned_after: timedelta, most: int) -> list[UUID]:
    """Events that nobody finished, and those whose next attempt has come."""
    return list(await session.scalars(_DUE, {"seconds": abandoned_after.total_seconds(), "most": most}))


async def matchable(session: AsyncSession, most: int) -> list[UUID]:
    """Unmatched events whose person is there."""
    return list(await session.scalars(_MATCHABLE, {"most": most}))


async def waiting(session: AsyncSession) -> dict[str, Waiting]:
    """What is not settled, by status."""
    rows = await session.execute(_WAITING)
    return {row.status: Waiting(row.events, float(row.age)) for row in rows}
