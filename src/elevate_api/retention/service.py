"""Removing what is old enough, in small transactions, once over all processes."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import text

from elevate_api.config import RetentionSettings
from elevate_api.kit.db import Database
from elevate_api.kit.jobs import JobResult, Outcome, run_single_flight

JOB = "retention"
BATCH = 2000
"""Rows a transaction: nobody waits long for its locks, and a stop half-way keeps what was done."""

# The objects' removal is another job's: a trigger leaves their keys for it. Undecided evidence is still needed.
_EVIDENCE = """
DELETE FROM submission_attachments WHERE id IN (
  SELECT a.id FROM submission_attachments a JOIN submissions s ON s.id = a.submission_id
  WHERE a.created_at < now() - make_interval(months => :months) AND s.status <> 'PENDING' LIMIT :batch)
"""
# What was sent and the address go. The fingerprint of the body stays, so that the same delivery is still a duplicate,
# and on a grant its contact, which is part of the ledger row's name. Who has not come for so long gets nothing.
_KAJABI = """
UPDATE kajabi_events SET
  body = '', email = NULL, next_attempt_at = NULL,
  contact_id = CASE WHEN status = 'PROCESSED' THEN contact_id END,
  error = CASE WHEN status IN ('RECEIVED', 'UNMATCHED', 'FAILED') THEN 'nobody came for it in time' ELSE error END,
  processed_at = coalesce(processed_at, clock_timestamp()),
  status = CASE WHEN status IN ('RECEIVED', 'UNMATCHED', 'FAILED') THEN 'IGNORED' ELSE status END
WHERE id IN (
  SELECT id FROM kajabi_events
  WHERE created_at < now() - make_interval(months => :months)
    AND (body <> '' OR email IS NOT NULL OR (contact_id IS NOT NULL AND status <> 'PROCESSED')) LIMIT :batch)
"""
# The service's role may not delete from the audit log; a function may, and only what is old.
_AUDIT = "SELECT remove_old_audit(:months, :batch)"


async def run(database: Database, settings: RetentionSettings, triggered_by: str) -> JobResult:
    """Remove what is older than the settings' months; the outcome is `{ok, removed: {evidence, kajabi, audit}}`.

    `kajabi` counts deliveries whose personal data was emptied; their rows stay. While another run is under way its id
    is answered.
    """

    async def work(_: UUID) -> Outcome:
        return {"ok": True, "removed": await remove(database, settings)}

    return await run_single_flight(database, JOB, triggered_by, work)


async def remove(database: Database, settings: RetentionSettings) -> Mapping[str, int]:
    return {
        "evidence": await _repeat(database, _EVIDENCE, settings.evidence_months),
        "kajabi": await _repeat(database, _KAJABI, settings.kajabi_months),
        "audit": await _repeat(database, _AUDIT, settings.audit_months),
    }


async def _repeat(database: Database, statement: str, months: int) -> int:
    total = 0
    while True:
        async with database.session() as session:
            result = await session.execute(text(statement), {"months": months, "batch": BATCH})
            removed: int = result.scalar_one() if result.returns_rows else result.rowcount  # type: ignore[attr-defined]
        total += removed
        if removed < BATCH:
            return total


async def preview(database: Database, settings: RetentionSettings) -> Mapping[str, int]:
    """How much there is to remove; nothing is."""
    months = {"evidence": settings.evidence_months, "kajabi": settings.kajabi_months, "audit": settings.audit_months}
    async with database.session() as session:
        row = (await session.execute(text(_PREVIEW), months)).one()
    return {"evidence": row.evidence, "kajabi": row.kajabi, "audit": row.audit}


_PREVIEW = """
SELECT
  (SELECT count(*) FROM submission_attachments a JOIN submissions s ON s.id = a.submission_id
   WHERE a.created_at < now() - make_interval(months => :evidence) AND s.status <> 'PENDING') AS evidence,
  (SELECT count(*) FROM kajabi_events WHERE created_at < now() - make_interval(months => :kajabi)
   AND (body <> '' OR email IS NOT NULL OR (contact_id IS NOT NULL AND status <> 'PROCESSED'))) AS kajabi,
  (SELECT count(*) FROM audit_log WHERE created_at < now() - make_interval(months => :audit)) AS audit
"""
