"""Bringing back what the causes say. The ledger is append-only for this as well: rows are added, none is changed.

First a snapshot of what is there (the manual's points_ledger_backup), then missing rows under the names that they had,
corrections beside wrong rows, badges, an audit row a person. All in one transaction.
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.ops.ledger_check.badges import missing_badges_sql
from elevate_api.ops.ledger_check.ledger import CAUSES_AND_ROWS, prepare

SCHEMA = "recovery"
"""Outside `public`: no Data API shows it and no schema check takes it for drift."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """`snapshot` and `differences` are tables, None where there was nothing to do."""

    rows: int = 0
    corrections: int = 0
    badges: int = 0
    people: int = 0
    unexplained: int = 0
    snapshot: str | None = None
    differences: str | None = None


async def recover(session: AsyncSession, *, reverse_unexplained: bool = False) -> Recovered:
    """Make the ledger agree with its causes. Run it as the owner of the tables, in a transaction of its own.

    Rows without a cause are counted and left; with `reverse_unexplained` each is taken back by a correction.
    """
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('elevate:points-recover', 0))"))
    await prepare(session)
    stamp = await session.scalar(text("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDD_HH24MISS_MS')"))
    found, snapshot = f"{SCHEMA}.differences_{stamp}", f"{SCHEMA}.points_ledger_{stamp}"
    await session.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    await session.execute(text(f"CREATE TABLE {found} AS {CAUSES_AND_ROWS}"))
    kinds = await session.execute(text(f"SELECT kind, count(*) FROM {found} GROUP BY kind"))
    counts = {kind: int(count) for kind, count in kinds}
    unexplained = counts.get("unexplained", 0)
    if sum(counts.values()) == (0 if reverse_unexplained else unexplained):
        await session.execute(text(f"DROP TABLE {found}"))
        return Recovered(badges=await _grant(session), unexplained=unexplained)
    chosen = "true" if reverse_unexplained else "kind <> 'unexplained'"
    await session.execute(text(_SNAPSHOT.format(snapshot=snapshot, found=found)))
    rows = await _count(session, _REBUILD.format(found=found))
    corrections = await _count(session, _CORRECT.format(found=found, chosen=chosen))
    # What was removed behind the ledger's back is still in the totals.
    await session.execute(text("SELECT rebuild_totals('points recover')"))
    people = await _count(session, _AUDIT.format(found=found, chosen=chosen, snapshot=snapshot))
    return Recovered(rows, corrections, await _grant(session), people, unexplained, snapshot, found)


async def _grant(session: AsyncSession) -> int:
    statement = await missing_badges_sql(session)
    return 0 if statement is None else await _count(session, _GRANT.format(missing=statement))


async def _count(session: AsyncSession, statement: str) -> int:
    return int((await session.execute(text(statement))).scalar_one())


_SNAPSHOT = """
CREATE TABLE {snapshot} AS SELECT * FROM points_ledger WHERE user_id IN (SELECT user_id FROM {found})
"""
# Recorded when it was first recorded, or old awards would stand on the board of the last 30 days.
_REBUILD = """
WITH added AS (
  INSERT INTO points_ledger (user_id, activity_code, source, delta_points, external_event_id, event_time, created_at)
  SELECT user_id, activity_code, source, expected, key, event_time, recorded_at FROM {found}
  WHERE kind = 'missing' ORDER BY recorded_at, key
  ON CONFLICT (external_event_id) DO NOTHING RETURNING 1
) SELECT count(*) FROM added
"""
# A row holds at most 1000 points, so a difference may need two.
_CORRECT = """
WITH parts AS (
  SELECT d.*, part, sign(expected - actual) * least(1000, abs(expected - actual) - 1000 * part) AS delta,
         corrections + row_number() OVER (PARTITION BY key ORDER BY user_id, activity_code, part) AS number
  FROM {found} d, generate_series(0, (abs(expected - actual) - 1) / 1000) AS part
  WHERE kind <> 'missing' AND {chosen}
), added AS (
  INSERT INTO points_ledger (user_id, activity_code, source, delta_points, external_event_id)
  SELECT user_id, activity_code, 'MANUAL', delta, 'correction:' || number || ':' || key FROM parts
  ON CONFLICT (external_event_id) DO NOTHING RETURNING 1
) SELECT count(*) FROM added
"""
_AUDIT = """
WITH added AS (
  INSERT INTO audit_log (action, target_type, target_id, details)
  SELECT 'points.recover', 'user', user_id,
         jsonb_build_object('points', sum(expected - actual), 'rows', count(*), 'snapshot', '{snapshot}')
  FROM {found} WHERE {chosen} GROUP BY user_id RETURNING 1
) SELECT count(*) FROM added
"""
_GRANT = """
WITH missing AS ({missing}), added AS (
  INSERT INTO earned_badges (user_id, badge_code) SELECT user_id, code FROM missing
  ON CONFLICT DO NOTHING RETURNING user_id, badge_code
), told AS (
  INSERT INTO audit_log (action, target_type, target_id, details)
  SELECT 'badge.grant', 'user', user_id, jsonb_build_object('badge', badge_code) FROM added
) SELECT count(*) FROM added
"""
