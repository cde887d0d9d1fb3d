"""What the causes want of the ledger and what it has, in one statement over sets; a million rows take seconds.

Rows that an operator wrote by the manual's SQL carry no name. They are recognised as the award of an approved
submission of the same person and stage, in this order: one whose recorded award is the same; one that records none
(`points_awarded` NULL: approved by the manual's UPDATE); one that lacks its row, where the row has the stage's default
points (the manual's recovery). A row that explains nothing stays under its own key, `row:<id>`.

A correction (`correction:<n>:<key>`) counts for the key that it corrects.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

SETTLED = "10 minutes"
"""How long a decision without a recorded award is left alone: the manual's operator approves first, then awards."""

CAUSES_AND_ROWS = f"""
WITH named AS MATERIALIZED (
  SELECT user_id, activity_code, delta_points, NOT starts_with(external_event_id, 'correction:') AS original,
         CASE WHEN starts_with(external_event_id, 'correction:')
              THEN regexp_replace(external_event_id, '^correction:[0-9]+:', '') ELSE external_event_id END AS key
  FROM points_ledger WHERE external_event_id IS NOT NULL
), nameless AS MATERIALIZED (
  SELECT l.id, l.user_id, l.activity_code, l.delta_points, l.created_at
  FROM points_ledger l
  WHERE l.external_event_id IS NULL
    AND NOT EXISTS (SELECT FROM points_ledger c WHERE c.external_event_id = 'correction:1:row:' || l.id)
), decisions AS MATERIALIZED (
  -- An award that was not recorded: its revocation says what it was, or the row that a recovery named.
  SELECT s.id, s.user_id, s.activity_code, s.status, coalesce(s.reviewed_at, s.created_at) AS reviewed_at, s.revoked_at,
         coalesce(s.peers_trained, 0) AS peers, coalesce(s.students_trained, 0) AS students,
         CASE WHEN s.points_awarded IS NOT NULL THEN s.points_awarded ELSE coalesce(
           (SELECT -l.delta_points FROM points_ledger l
            WHERE l.external_event_id = 'submission:' || s.id || '\\:revoked\\:v1'),
           (SELECT l.delta_points FROM points_ledger l
            WHERE l.external_event_id = 'submission:' || s.id || '\\:approved\\:v1'))
         END AS points
  FROM submissions s
  WHERE s.status IN ('APPROVED', 'REVOKED') AND (s.points_awarded > 0 OR s.points_awarded IS NULL)
), known AS MATERIALIZED (
  SELECT 'submission:' || id || '\\:approved\\:v1' AS key, user_id, activity_code, points, 'FORM' AS source,
         reviewed_at AS event_time, reviewed_at AS recorded_at, status = 'APPROVED' AS stands
  FROM decisions WHERE points > 0
  UNION ALL
  SELECT 'submission:' || id || '\\:revoked\\:v1', user_id, activity_code, -points, 'FORM', revoked_at,
         revoked_at, false
  FROM decisions WHERE points > 0 AND status = 'REVOKED'
  UNION ALL
  SELECT 'kajabi:' || contact_id || '|tag:' || tag, user_id, 'LEARN', points_awarded, 'WEBHOOK',
         coalesce(event_time, created_at), coalesce(processed_at, created_at), false
  FROM kajabi_events WHERE status = 'PROCESSED' AND points_awarded > 0
  UNION ALL
  SELECT 'adjustment:' || id, user_id, activity_code, delta_points, 'MANUAL', created_at, created_at, false
  FROM point_adjustments
), lacking AS MATERIALIZED (
  SELECT k.key, k.user_id, k.activity_code, k.points,
         row_number() OVER (PARTITION BY k.user_id, k.activity_code, k.points ORDER BY k.event_time, k.key) AS place
  FROM known k
  WHERE starts_with(k.key, 'submission:') AND NOT EXISTS (SELECT FROM named n WHERE n.key = k.key AND n.original)
), same_award AS MATERIALIZED (
  SELECT n.id, l.key
  FROM (SELECT *, row_number() OVER (PARTITION BY user_id, activity_code, delta_points ORDER BY created_at, id) AS place
        FROM nameless) n
  JOIN lacking l
    ON (l.user_id, l.activity_code, l.points, l.place) = (n.user_id, n.activity_code, n.delta_points, n.place)
), unrecorded AS MATERIALIZED (
  SELECT *, row_number() OVER (PARTITION BY user_id, activity_code ORDER BY reviewed_at, id) AS place
  FROM decisions WHERE points IS NULL
), by_hand AS MATERIALIZED (
  SELECT n.id, n.delta_points, u.id AS submission_id
  FROM (SELECT *, row_number() OVER (PARTITION BY user_id, activity_code ORDER BY created_at, id) AS place
        FROM nameless WHERE delta_points > 0 AND id NOT IN (SELECT id FROM same_award)) n
  JOIN unrecorded u ON (u.user_id, u.activity_code, u.place) = (n.user_id, n.activity_code, n.place)
), by_manual AS MATERIALIZED (
  SELECT n.id, l.key
  FROM (SELECT x.*, row_number() OVER (PARTITION BY x.user_id, x.activity_code ORDER BY x.created_at, x.id) AS place
        FROM nameless x JOIN activities a ON a.code = x.activity_code AND a.default_points = x.delta_points
        WHERE x.id NOT IN (SELECT id FROM same_award) AND x.id NOT IN (SELECT id FROM by_hand)) n
  JOIN (SELECT key, user_id, activity_code,
               row_number() OVER (PARTITION BY user_id, activity_code ORDER BY place, key) AS place
        FROM lacking WHERE points > 0 AND key NOT IN (SELECT key FROM same_award)) l
    ON (l.user_id, l.activity_code, l.place) = (n.user_id, n.activity_code, n.place)
), owed AS (
  -- Approved by hand and never awarded: what the rules of shared/domain.md give, to the first in a stage that
  -- is awarded once or has a cap.
  SELECT u.id, u.user_id, u.activity_code, u.reviewed_at,
         CASE WHEN u.activity_code IN ('EXPLORE', 'PRESENT')
                   AND (so_far.standing OR row_number() OVER first_come > 1) THEN 0
              WHEN a.points_cap IS NULL THEN full_award
              WHEN row_number() OVER first_come > 1 THEN 0
              ELSE greatest(0, least(full_award, a.points_cap - so_far.points)) END AS points
  FROM unrecorded u
  JOIN activities a ON a.code = u.activity_code
  CROSS JOIN LATERAL (
    SELECT a.default_points + a.per_peer_points * u.peers + a.per_student_points * u.students AS full_award) f
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(points), 0) AS points, coalesce(bool_or(stands), false) AS standing FROM (
      SELECT k.points, k.stands FROM known k
      WHERE k.user_id = u.user_id AND k.activity_code = u.activity_code AND NOT starts_with(k.key, 'adjustment:')
      UNION ALL
      SELECT h.delta_points, d.status = 'APPROVED' FROM by_hand h JOIN decisions d ON d.id = h.submission_id
      WHERE d.user_id = u.user_id AND d.activity_code = u.activity_code
    ) awards) so_far
  WHERE u.status = 'APPROVED' AND u.reviewed_at < now() - interval '{SETTLED}'
    AND u.id NOT IN (SELECT submission_id FROM by_hand)
  WINDOW first_come AS (PARTITION BY u.user_id, u.activity_code ORDER BY u.reviewed_at, u.id)
), due AS MATERIALIZED (
  SELECT key, user_id, activity_code, points, source, event_time, recorded_at FROM known
  UNION ALL
  SELECT 'submission:' || d.id || '\\:approved\\:v1', d.user_id, d.activity_code, h.delta_points, 'FORM', d.reviewed_at,
         d.reviewed_at
  FROM by_hand h JOIN decisions d ON d.id = h.submission_id
  UNION ALL
  SELECT 'submission:' || d.id || '\\:revoked\\:v1', d.user_id, d.activity_code, -h.delta_points, 'FORM', d.revoked_at,
         d.revoked_at
  FROM by_hand h JOIN decisions d ON d.id = h.submission_id WHERE d.status = 'REVOKED'
  UNION ALL
  SELECT 'submission:' || id || '\\:approved\\:v1', user_id, activity_code, points, 'MANUAL', reviewed_at, reviewed_at
  FROM owed WHERE points > 0
), stock AS MATERIALIZED (
  SELECT key, user_id, activity_code, delta_points, original FROM named
  UNION ALL
  SELECT coalesce(s.key, m.key, 'submission:' || h.submission_id || '\\:approved\\:v1', 'row:' || n.id),
         n.user_id, n.activity_code, n.delta_points, true
  FROM points_ledger n
  LEFT JOIN same_award s ON s.id = n.id
  LEFT JOIN by_hand h ON h.id = n.id
  LEFT JOIN by_manual m ON m.id = n.id
  WHERE n.external_event_id IS NULL
), apart AS MATERIALIZED (
  SELECT key, user_id, activity_code, d.points AS expected, s.points AS actual, d.source, d.event_time, d.recorded_at
  FROM due d
  FULL JOIN (SELECT key, user_id, activity_code, sum(delta_points)::integer AS points
             FROM stock GROUP BY key, user_id, activity_code) s USING (key, user_id, activity_code)
  WHERE coalesce(d.points, 0) <> coalesce(s.points, 0)
)
SELECT CASE WHEN wanted.key IS NULL THEN 'unexplained' WHEN rows.key IS NULL THEN 'missing' ELSE 'wrong' END AS kind,
       key, user_id, activity_code, coalesce(expected, 0) AS expected, coalesce(actual, 0) AS actual,
       source, event_time, recorded_at, coalesce(rows.corrections, 0) AS corrections
FROM apart
LEFT JOIN (SELECT DISTINCT key FROM due WHERE key IN (SELECT key FROM apart)) wanted USING (key)
LEFT JOIN (SELECT key, count(*) FILTER (WHERE NOT original) AS corrections
           FROM stock WHERE key IN (SELECT key FROM apart) GROUP BY key) rows USING (key)
"""
"""For `text()`, to which `:name` is a parameter.

Columns: kind, key, user_id, activity_code, expected, actual, source, event_time, recorded_at, corrections.
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """What does not agree. `area` is ledger, badges, totals or views; `subject` the key of the cause, a badge, a view.

    `kind` in the ledger: missing (a cause without its row), wrong (the row says something else), unexplained (a row
    without a cause). Points are None where the difference is not about points.
    """

    area: str
    kind: str
    subject: str
    user_id: str | None = None
    activity_code: str | None = None
    expected: int | None = None
    actual: int | None = None


async def prepare(session: AsyncSession) -> None:
    """More memory for the joins than a request needs; only for this transaction."""
    await session.execute(text("SET LOCAL work_mem = '64MB'"))
    await session.execute(text("SET LOCAL jit = off"))


async def ledger_differences(session: AsyncSession) -> AsyncIterator[Difference]:
    """Every difference, streamed from a cursor: a ledger that was emptied has as many as it had rows."""
    await prepare(session)
    statement = text(f"SELECT kind, key, user_id, activity_code, expected, actual FROM ({CAUSES_AND_ROWS}) d")
    async for row in await session.stream(statement):
        yield Difference("ledger", row.kind, row.key, row.user_id, row.activity_code, row.expected, row.actual)
