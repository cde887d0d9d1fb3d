"""Do the views say what the ledger says? People who were touched since the refresh are not judged."""

from collections.abc import AsyncIterator

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.analytics.queries import VIEWS
from elevate_api.ops.ledger_check.ledger import Difference

_STANDING = text("""
    SELECT v.name, c.relispopulated AS populated,
           (SELECT max(started_at) FROM analytics_refreshes r WHERE r.view_name = v.name AND r.ok) AS refreshed_at
    FROM unnest(CAST(:names AS text[])) AS v (name)
    LEFT JOIN pg_class c ON c.relname = v.name AND c.relkind = 'm' AND c.relnamespace = 'public'::regnamespace
""")

# A transaction that began before the refresh may have committed after it: hence the minute on either side.
_BOARD = """
WITH sums AS (
  SELECT l.user_id, sum(l.delta_points)::bigint AS points
  FROM points_ledger l WHERE {window} GROUP BY l.user_id HAVING sum(l.delta_points) > 0
), expected AS (
  SELECT s.* FROM sums s JOIN users u ON u.id = s.user_id
  WHERE u.role = 'PARTICIPANT' AND u.erased_at IS NULL AND u.show_on_leaderboard
)
SELECT user_id, coalesce(e.points, 0) AS expected, coalesce(v.total_points, 0) AS actual
FROM expected e FULL JOIN {view} v USING (user_id)
WHERE coalesce(e.points, 0) <> coalesce(v.total_points, 0)
  AND NOT EXISTS (SELECT FROM points_ledger l WHERE l.user_id = coalesce(e.user_id, v.user_id) AND ({unsure}))
  AND NOT EXISTS (SELECT FROM users u WHERE u.id = coalesce(e.user_id, v.user_id)
                  AND u.updated_at >= CAST(:refreshed_at AS timestamptz) - interval '1 minute')
"""
_AT = "l.created_at >= CAST(:refreshed_at AS timestamptz) - interval '1 minute'"
_WINDOW = "l.created_at > CAST(:refreshed_at AS timestamptz) - interval '720 hours'"
_EDGE = """ OR l.created_at BETWEEN CAST(:refreshed_at AS timestamptz) - interval '720 hours 1 minute'
                            AND CAST(:refreshed_at AS timestamptz) - interval '719 hours 59 minutes'"""
_STAGES = """
SELECT a.code, coalesce(l.points, 0) AS expected, coalesce(v.total_points, 0) AS actual
FROM activities a LEFT JOIN activity_metrics v ON v.activity_code = a.code
LEFT JOIN (SELECT activity_code, sum(delta_points)::bigint AS points, max(created_at) AS last_at
           FROM points_ledger GROUP BY activity_code) l ON l.activity_code = a.code
WHERE coalesce(l.points, 0) <> coalesce(v.total_points, 0)
  AND coalesce(l.last_at, '-infinity') < CAST(:refreshed_at AS timestamptz) - interval '1 minute'
"""


async def view_differences(session: AsyncSession) -> AsyncIterator[Difference]:
    """Views that are not there or were never refreshed, and sums of theirs that the ledger does not have."""
    for view in (await session.execute(_STANDING, {"names": list(VIEWS)})).all():
        if view.populated is None:
            yield Difference("views", "missing", view.name)
        elif not view.populated or view.refreshed_at is None:
            yield Difference("views", "never refreshed", view.name)
        elif view.name in _COMPARED:
            rows = await session.stream(text(_COMPARED[view.name]), {"refreshed_at": view.refreshed_at})
            async for row in rows:
                person, stage = (None, row[0]) if view.name == "activity_metrics" else (row[0], None)
                yield Difference("views", "wrong", view.name, person, stage, row.expected, row.actual)


_COMPARED = {
    "leaderboard_totals": _BOARD.format(view="leaderboard_totals", window="true", unsure=_AT),
    "leaderboard_30d": _BOARD.format(view="leaderboard_30d", window=_WINDOW, unsure=_AT + _EDGE),
    "activity_metrics": _STAGES,
}
