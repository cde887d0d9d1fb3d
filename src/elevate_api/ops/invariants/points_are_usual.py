from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.ops.anomalies import Day, unusual
from elevate_api.ops.invariants.base import Invariant, Severity, Violations

JUDGED_DAYS = 2
"""Yesterday and today; what was unusual before has been told before."""

_DAYS = text("""
    WITH zone AS (SELECT program_timezone() AS name), today AS (SELECT (now() AT TIME ZONE name)::date AS day FROM zone)
    SELECT d.day::date AS day, coalesce(sum(l.delta_points), 0)::bigint AS points, count(l.id) AS entries,
           round(avg(l.delta_points), 2)::double precision AS average
    FROM zone z CROSS JOIN today t
    CROSS JOIN LATERAL generate_series(
      t.day - make_interval(days => CAST(:days AS integer) - 1), t.day::timestamp, interval '1 day') AS d (day)
    LEFT JOIN points_ledger l ON l.created_at >= d.day AT TIME ZONE z.name
      AND l.created_at < (d.day + interval '1 day') AT TIME ZONE z.name
    GROUP BY d.day ORDER BY d.day
""")


async def days_of_points(session: AsyncSession, days: int) -> list[Day]:
    """The last `days` days of the programme's zone, today included, the oldest first."""
    return [Day(*row) for row in await session.execute(_DAYS, {"days": days})]


class PointsAreUsual(Invariant):
    """The manual's 'Point distribution anomalies': a day's points against the week before it."""

    name = "points_are_usual"
    title = "No day of these two has far more points than usual"
    severity = Severity.WARNING

    async def find(self, session: AsyncSession) -> Violations:
        days = await days_of_points(session, 7 + JUDGED_DAYS)
        found = Violations()
        for day in unusual(days)[-JUDGED_DAYS:]:
            found.add(day=day.day.isoformat(), points=day.points, entries=day.entries)
        return found
