"""After the recovery: is every acknowledged write there exactly once, and nothing half done?"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
from tests.faults.load import Journal

from elevate_api.kit.db import Address, Database
from elevate_api.ops.ledger_check.verify import verify

CRON_SECRET = "cron-secret-of-the-faults"

CONTRADICTIONS: Mapping[str, str] = {
    "an approval without its ledger row, or the other way round": """
        SELECT count(*) FROM submissions s FULL JOIN points_ledger l
          ON l.external_event_id = 'submission:' || s.id || ':approved:v1'
        WHERE (s.status = 'APPROVED' AND s.points_awarded > 0 AND l.delta_points IS DISTINCT FROM s.points_awarded)
           OR (l.external_event_id LIKE 'submission:%' AND s.status IS DISTINCT FROM 'APPROVED')""",
    "an approval without its badge": """
        SELECT count(*) FROM submissions s WHERE s.status = 'APPROVED' AND s.activity_code = 'AMPLIFY'
          AND NOT EXISTS (SELECT FROM earned_badges b WHERE b.user_id = s.user_id AND b.badge_code = 'AMPLIFIER')""",
    "a change without its audit row": """
        SELECT count(*) FROM submissions s WHERE NOT EXISTS (
          SELECT FROM audit_log a WHERE a.target_id = s.id::text AND a.action = CASE s.status
            WHEN 'APPROVED' THEN 'submission.approve' WHEN 'REJECTED' THEN 'submission.reject'
            ELSE 'submission.create' END)""",
    "a change with two audit rows": """
        SELECT count(*) FROM (SELECT FROM audit_log WHERE action LIKE 'submission.%'
          GROUP BY action, target_id HAVING count(*) > 1) twice""",
    "a decided submission with a claim": """
        SELECT count(*) FROM review_claims c JOIN submissions s ON s.id = c.submission_id
        WHERE s.status <> 'PENDING'""",
    "one request with two submissions": """
        SELECT count(*) FROM (SELECT FROM submissions WHERE payload ? 'evidenceNote'
          GROUP BY payload->>'evidenceNote' HAVING count(*) > 1) twice""",
    "one request with two corrections": """
        SELECT count(*) FROM (SELECT FROM point_adjustments GROUP BY reason HAVING count(*) > 1) twice""",
    "a correction without its ledger row": """
        SELECT count(*) FROM point_adjustments p FULL JOIN
          (SELECT * FROM points_ledger WHERE external_event_id LIKE 'adjustment:%') l
          ON l.external_event_id = 'adjustment:' || p.id WHERE p.id IS NULL OR l.id IS NULL""",
    "one tag with two grants": """
        SELECT count(*) FROM (SELECT FROM kajabi_events WHERE status = 'PROCESSED'
          GROUP BY contact_id, tag HAVING count(*) > 1) twice""",
    "a grant without its ledger row": """
        SELECT count(*) FROM kajabi_events e WHERE e.status = 'PROCESSED' AND e.points_awarded > 0 AND NOT EXISTS (
          SELECT FROM points_ledger l WHERE l.external_event_id = 'kajabi:' || e.contact_id || '|tag:' || e.tag)""",
    "a transaction that nobody ends": """
        SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'elevate_app'
          AND state LIKE 'idle in transaction%' AND state_change < clock_timestamp() - interval '30 s'
          AND query NOT LIKE '%pg_try_advisory_xact_lock%'""",
}


@dataclass
class Verdict:
    acknowledged: int = 0
    lost: int = 0
    wrong: Counter[str] = field(default_factory=Counter)


async def judge(owner: Address, journal: Journal) -> Verdict:
    """Reads the database as its owner, beside the service."""
    verdict = Verdict(acknowledged=journal.total)
    connection = await asyncpg.connect(**owner.driver_arguments())
    try:
        await _compare(connection, journal, verdict)
        for name, query in CONTRADICTIONS.items():
            if found := await connection.fetchval(query):
                verdict.wrong[name] += found
    finally:
        await connection.close()
    database = Database(owner, pooled=False)
    async with database.session() as session:
        findings = await verify(session, keep=5, views=False)
    await database.dispose()
    for (area, kind), number in findings.counts.items():
        verdict.wrong[f"points verify: {area} {kind}"] += number  # the views: `service_agrees`, after a refresh
    verdict.wrong.update(journal.surprises)
    return verdict


async def _compare(connection: Any, journal: Journal, verdict: Verdict) -> None:
    rows = await connection.fetch(
        "SELECT id::text, payload->>'evidenceNote' AS key, status, points_awarded FROM submissions"
    )
    by_key = {row["key"]: row["id"] for row in rows}
    by_id = {row["id"]: (row["status"], row["points_awarded"] or 0) for row in rows}
    adjustments = {
        row["reason"].removeprefix("Correction "): row["id"]
        for row in await connection.fetch("SELECT id::text, reason FROM point_adjustments")
    }
    events = {
        row["contact_id"]: (row["status"], row["points_awarded"] or 0)
        for row in await connection.fetch(
            "SELECT contact_id, status, points_awarded FROM kajabi_events WHERE status <> 'DUPLICATE'"
        )
    }
    for what, said, found in (
        ("submission", journal.submitted, by_key),
        ("decision", journal.decided, by_id),
        ("correction", journal.adjusted, adjustments),
        ("delivery", journal.delivered, events),
    ):
        _count(verdict, what, said, found)


def _count(verdict: Verdict, what: str, said: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for key, value in said.items():
        if key not in found:
            verdict.lost += 1
        elif found[key] != value and not (what == "delivery" and value[0] in {"RECEIVED", "UNMATCHED", "FAILED"}):
            verdict.wrong[f"{what}: acknowledged {value}, found {found[key]}"] += 1


async def service_agrees(url: str) -> list[str]:
    """What the service itself finds wrong once its views are fresh: names of checks that are errors."""
    headers = {"Authorization": f"Bearer {CRON_SECRET}"}
    async with httpx.AsyncClient(base_url=url, timeout=120, headers=headers) as client:
        refreshed = await client.post("/api/cron/refresh-analytics")
        checked = await client.post("/api/cron/daily-health")
    if refreshed.status_code != httpx.codes.OK:
        return [f"refresh answered {refreshed.status_code}: {refreshed.text[:300]}"]
    if checked.status_code != httpx.codes.OK:
        return [f"daily-health answered {checked.status_code}: {checked.text[:300]}"]
    return [
        f"{check['name']}: {check['count']}"
        for check in checked.json()["checks"]
        if not check["ok"] and check["severity"] == "error"
    ]
