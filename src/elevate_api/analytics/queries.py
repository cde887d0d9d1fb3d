"""Reads about the analytics views: how fresh each is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.analytics.models import AnalyticsRefresh

VIEWS = (
    "leaderboard_totals",
    "leaderboard_30d",
    "activity_metrics",
    "cohort_metrics",
    "school_metrics",
    "time_series_metrics",
)
"""Every analytics view, in the order of refreshing: what people look at first is fresh first."""


@dataclass(frozen=True, slots=True)
class ViewFreshness:
    """Of one view: start of its last successful refresh, seconds since then, and how its last refresh of all ended.

    All are None for a view that was never refreshed. `rows` is what the last successful refresh counted.
    """

    view: str
    refreshed_at: datetime | None
    age_seconds: float | None
    rows: int | None
    last_ok: bool | None

    def is_stale(self, limit_seconds: float) -> bool:
        return self.age_seconds is None or self.age_seconds > limit_seconds


FRESHNESS = """
SELECT v.view, good.started_at AS refreshed_at, good.row_count AS rows, latest.ok AS last_ok,
       extract(epoch FROM clock_timestamp() - good.started_at)::double precision AS age_seconds
FROM unnest(ARRAY['{views}']) WITH ORDINALITY AS v (view, position)
LEFT JOIN LATERAL (
  SELECT started_at, row_count FROM analytics_refreshes
  WHERE view_name = v.view AND ok ORDER BY started_at DESC LIMIT 1
) good ON true
LEFT JOIN LATERAL (
  SELECT ok FROM analytics_refreshes WHERE view_name = v.view ORDER BY started_at DESC LIMIT 1
) latest ON true
ORDER BY v.position
""".format(views="', '".join(VIEWS))
"""As a statement, for the health probe, which has a connection of its own."""


async def freshness(session: AsyncSession) -> list[ViewFreshness]:
    """Every view, those that were never refreshed too."""
    rows = (await session.execute(text(FRESHNESS))).mappings()
    return [ViewFreshness(**row) for row in rows]


async def history(
    session: AsyncSession, views: Sequence[str], limit: int, after: tuple[datetime, UUID] | None
) -> list[AnalyticsRefresh]:
    """Refreshes of these views, the newest first; `after` is (started_at, id) of the last one seen."""
    key = (AnalyticsRefresh.started_at, AnalyticsRefresh.id)
    statement = select(AnalyticsRefresh).where(AnalyticsRefresh.view_name.in_(views))
    if after is not None:
        statement = statement.where(tuple_(*key) < tuple_(*after))
    return list(await session.scalars(statement.order_by(*(column.desc() for column in key)).limit(limit)))
