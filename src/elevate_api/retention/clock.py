"""How long people have waited for their erasure: the law gives 72 hours (UU PDP)."""

from dataclasses import dataclass
from datetime import datetime

from prometheus_client import Gauge
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.kit.db import Database
from elevate_api.kit.metrics import REGISTRY

LIMIT_SECONDS = 72 * 3600
"""From the moment an erasure is due, which is after the days in which the person may change their mind."""

DELAY = Gauge(
    "leaps_privacy_erasure_delay_seconds",
    "Since the erasure that has been due longest was due; 0 without one. The law gives 72 hours: 259200.",
    registry=REGISTRY,
    multiprocess_mode="mostrecent",
)
WAITING = Gauge(
    "leaps_privacy_erasures_waiting",
    "People who asked to be erased and have not been, those in their days of grace included.",
    registry=REGISTRY,
    multiprocess_mode="mostrecent",
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """`left_seconds` of the 72 hours, negative when they are over; more than 72 hours in the days of grace."""

    user_id: str
    erase_at: datetime
    left_seconds: float


async def waiting(session: AsyncSession) -> list[Waiting]:
    """Who waits, the longest first."""
    rows = await session.execute(_WAITING, {"limit": LIMIT_SECONDS})
    return [Waiting(row.id, row.erase_at, row.left_seconds) for row in rows]


async def measure(database: Database) -> None:
    async with database.session() as session:
        people = await waiting(session)
    WAITING.set(len(people))
    DELAY.set(max(0.0, LIMIT_SECONDS - people[0].left_seconds) if people else 0)


_WAITING = text("""
    SELECT id, erase_at, (extract(epoch FROM erase_at - clock_timestamp()) + :limit)::float8 AS left_seconds
    FROM users WHERE erase_at IS NOT NULL AND erased_at IS NULL ORDER BY erase_at, id
""")
