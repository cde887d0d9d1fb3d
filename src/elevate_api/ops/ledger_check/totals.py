"""Do the totals say what the ledger says? Exactly, whoever writes meanwhile: the rows that were folded are known."""

from collections.abc import AsyncIterator

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.ops.ledger_check.ledger import Difference

# What was visible in the snapshot of the last fold (fold_ledger.02.sql): the statement sees that state and these rows
# as of one moment.
_FOLDED = """
edges AS MATERIALIZED (
  SELECT s.base + CAST(pg_snapshot_xmax(f.snapshot) \\:\\: text AS bigint) AS edge,
         array_remove(s.own_stamp || ARRAY(
           SELECT s.base + CAST(xid \\:\\: text AS bigint) FROM pg_snapshot_xip(f.snapshot) AS xid), NULL) AS open,
         s.swept_to
  FROM totals_state s CROSS JOIN LATERAL (SELECT CAST(s.folded AS pg_snapshot) AS snapshot) f
), folded AS (
  SELECT l.user_id, l.delta_points, l.created_at, e.swept_to FROM points_ledger l CROSS JOIN edges e
  WHERE l.stamp < e.edge AND l.stamp <> ALL (e.open) {chosen}
)"""
_PEOPLE = f"""
WITH {{sample}} {_FOLDED}, sums AS (
  SELECT user_id, sum(delta_points)\\:\\:bigint AS points, count(*) AS entries, max(created_at) AS reached_at,
         coalesce(sum(delta_points) FILTER (WHERE created_at > swept_to), 0)\\:\\:bigint AS points_30d
  FROM folded GROUP BY user_id
)
SELECT user_id, coalesce(s.points, 0) AS expected, coalesce(t.total_points, 0) AS actual
FROM sums s FULL JOIN (SELECT * FROM user_totals t WHERE true {{chosen}}) t USING (user_id)
WHERE (coalesce(s.points, 0), coalesce(s.entries, 0), s.reached_at, coalesce(s.points_30d, 0))
      IS DISTINCT FROM (coalesce(t.total_points, 0), coalesce(t.entries, 0), t.reached_at, coalesce(t.points_30d, 0))
"""
_SAMPLE = """start AS MATERIALIZED (
  SELECT id FROM users TABLESAMPLE SYSTEM (1) UNION ALL SELECT id FROM users LIMIT 1
), sample AS MATERIALIZED (
  SELECT u.id FROM users u WHERE u.id >= (SELECT id FROM start ORDER BY random() LIMIT 1) ORDER BY u.id LIMIT :people
), """
_SCORES = """
SELECT h.period || ' ' || points AS subject, coalesce(t.people, 0) AS expected, coalesce(h.people, 0) AS actual
FROM (
  SELECT 'all' AS period, total_points AS points, count(*) AS people FROM user_totals
  WHERE on_board AND total_points > 0 GROUP BY total_points
  UNION ALL
  SELECT '30d', points_30d, count(*) FROM user_totals WHERE on_board AND points_30d > 0 GROUP BY points_30d
) t FULL JOIN score_histogram h USING (period, points)
WHERE coalesce(t.people, 0) <> coalesce(h.people, 0)
"""
_STAGES = """
SELECT s.code, s.points AS expected, coalesce(t.points, 0) AS actual
FROM (SELECT sum(learn_points) AS learn, sum(explore_points) AS explore, sum(amplify_points) AS amplify,
             sum(present_points) AS present, sum(shine_points) AS shine FROM user_totals) p
CROSS JOIN LATERAL (VALUES ('LEARN', p.learn), ('EXPLORE', p.explore), ('AMPLIFY', p.amplify),
  ('PRESENT', p.present), ('SHINE', p.shine)) AS s (code, points)
LEFT JOIN stage_totals t ON t.activity_code = s.code WHERE coalesce(s.points, 0) <> coalesce(t.points, 0)
"""


async def total_differences(session: AsyncSession, people: int | None = None) -> AsyncIterator[Difference]:
    """Everybody's totals against the ledger, or those of `people` neighbours by id, found at random; then scores and
    stages against the totals of all people.
    """
    sample, chosen = ("", "") if people is None else (_SAMPLE, "AND user_id IN (SELECT id FROM sample)")
    parameters = {} if people is None else {"people": people}
    async for row in await session.stream(text(_PEOPLE.format(sample=sample, chosen=chosen)), parameters):
        yield Difference("totals", "wrong", "user_totals", row.user_id, None, row.expected, row.actual)
    async for row in await session.stream(text(_SCORES)):
        yield Difference("totals", "wrong", "score_histogram", None, None, row.expected, row.actual)
    async for row in await session.stream(text(_STAGES)):
        yield Difference("totals", "wrong", "stage_totals", None, row.code, row.expected, row.actual)
