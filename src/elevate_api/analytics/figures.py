"""Reads over the analytics views for administrators, with the time that the figures are of."""

from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

Row = dict[str, Any]
Grouping = Literal["cohort", "school"]


async def as_of(session: AsyncSession, view: str) -> datetime | None:
    """Start of the view's last successful refresh; None before the first."""
    found: datetime | None = await session.scalar(text(_AS_OF), {"view": view})
    return found


async def activities(session: AsyncSession) -> list[Row]:
    return [dict(row) for row in (await session.execute(text(_ACTIVITIES))).mappings()]


async def groups(session: AsyncSession, by: Grouping, limit: int, after: tuple[int, str] | None) -> list[Row]:
    """Cohorts or schools, those with most points first, from after that (total_points, name)."""
    beyond = "WHERE (-total_points, name) > (-CAST(:points AS bigint), CAST(:name AS text))" if after else ""
    statement = text(_GROUPS.format(column=by, view=f"{by}_metrics", beyond=beyond))
    parameters = {"limit": limit, **({"points": after[0], "name": after[1]} if after else {})}
    return [dict(row) for row in (await session.execute(statement, parameters)).mappings()]


async def days(session: AsyncSession, activity_code: str | None, since: date | None) -> list[Row]:
    """A row for each day and stage, the oldest first."""
    parameters = {"activity": activity_code, "since": since}
    return [dict(row) for row in (await session.execute(text(_DAYS), parameters)).mappings()]


_AS_OF = """
SELECT started_at FROM analytics_refreshes WHERE view_name = :view AND ok ORDER BY started_at DESC LIMIT 1
"""

_ACTIVITIES = """
SELECT m.activity_code, m.activity_name, m.submissions, m.pending, m.approved, m.rejected, m.withdrawn, m.revoked,
       m.participants, m.average_review_seconds::double precision AS average_review_seconds, m.peers_reached,
       m.students_reached, m.total_points, m.entries, m.people_with_points, m.micro_credentials
FROM activity_metrics m LEFT JOIN activities a ON a.code = m.activity_code ORDER BY a.position, m.activity_code
"""

_GROUPS = """
SELECT * FROM (
  SELECT {column} AS name, participants, active_participants, total_points,
         average_points::double precision AS average_points, submissions, approved, pending
  FROM {view}
) groups {beyond} ORDER BY -total_points, name LIMIT :limit
"""

_DAYS = """
SELECT day, activity_code, submissions, approved, rejected, points, entries, people FROM time_series_metrics
WHERE (CAST(:activity AS text) IS NULL OR activity_code = :activity) AND (CAST(:since AS date) IS NULL OR day >= :since)
ORDER BY day, activity_code
"""
