"""Sums over the ledger itself: exact at any moment, no view in between."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True)
class StagePoints:
    activity_code: str
    points: int
    entries: int


@dataclass(frozen=True, slots=True)
class PointsSummary:
    """All of one person's points; the two times are when rows were recorded, None without any."""

    total_points: int
    entries: int
    by_activity: list[StagePoints]
    first_points_at: datetime | None
    last_points_at: datetime | None


_SUMMARY = text("""
    SELECT activity_code, sum(delta_points)::bigint AS points, count(*) AS entries,
           min(created_at) AS first_at, max(created_at) AS last_at
    FROM points_ledger WHERE user_id = :user_id GROUP BY activity_code ORDER BY activity_code
""")


async def summary_of(session: AsyncSession, user_id: str) -> PointsSummary:
    rows = (await session.execute(_SUMMARY, {"user_id": user_id})).all()
    return PointsSummary(
        total_points=sum(row.points for row in rows),
        entries=sum(row.entries for row in rows),
        by_activity=[StagePoints(row.activity_code, row.points, row.entries) for row in rows],
        first_points_at=min((row.first_at for row in rows), default=None),
        last_points_at=max((row.last_at for row in rows), default=None),
    )
