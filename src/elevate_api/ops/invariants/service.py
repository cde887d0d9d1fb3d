"""Running the invariants: one run at a time, each check in a transaction of its own, the results kept."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from pydantic_core import to_jsonable_python
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.kit.bounds import take_time
from elevate_api.kit.db import Database
from elevate_api.kit.jobs import JobResult, Outcome, run_single_flight
from elevate_api.kit.problems import describe
from elevate_api.ops.invariants import INVARIANTS
from elevate_api.ops.invariants.base import Invariant, Severity, Violations

JOB = "daily-health"
"""Its runs in `job_runs` are the kept results."""
PATIENCE_SECONDS = 900

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LastRun:
    job_id: UUID
    finished_at: datetime
    checks: list[dict[str, Any]]


def chosen(names: Sequence[str]) -> tuple[Invariant, ...]:
    """Every invariant, or those named. Raises ValueError for an unknown name."""
    unknown = set(names) - {one.name for one in INVARIANTS}
    if unknown:
        raise ValueError(f"no such check: {', '.join(sorted(unknown))}")
    return tuple(one for one in INVARIANTS if not names or one.name in names)


async def run(database: Database, triggered_by: str) -> JobResult:
    """Check everything and keep the results; while another run is under way anywhere, answer its id.

    `outcome` is `{ok, checks: [{name, title, severity, ok, count, samples, durationSeconds, error?}]}`; warnings leave
    `ok` true.
    """

    async def work(_job: UUID) -> Outcome:
        checks = [await check(database, invariant) for invariant in INVARIANTS]
        for one in checks:
            if not one["ok"]:
                log.warning("invariant_violated", invariant=one["name"], count=one["count"], error=one.get("error"))
        return {"ok": all(one["ok"] or is_warning(one) for one in checks), "checks": checks}

    return await run_single_flight(database, JOB, triggered_by, work)


def is_warning(check_result: dict[str, Any]) -> bool:
    return check_result["severity"] == Severity.WARNING and "error" not in check_result


async def check(database: Database, invariant: Invariant) -> dict[str, Any]:
    """One check; a check that fails says so and stops no other."""
    started, error = time.monotonic(), None
    found = Violations()
    try:
        async with database.session() as session:
            await session.execute(text("SET TRANSACTION READ ONLY"))
            await take_time(session, PATIENCE_SECONDS)
            found = await invariant.find(session)
    except Exception as failure:
        described = describe(failure)
        if described is None:
            raise
        error = f"it could not be checked (SQLSTATE {described.sqlstate})"
        log.exception("invariant_not_checked", invariant=invariant.name)
    result = {
        "name": invariant.name,
        "title": invariant.title,
        "severity": str(invariant.severity),
        "ok": error is None and not found.count,
        **to_jsonable_python(asdict(found)),
        "durationSeconds": round(time.monotonic() - started, 3),
    }
    return result if error is None else {**result, "error": error}


async def last_run(session: AsyncSession) -> LastRun | None:
    """The last run that came to an end with results."""
    row = (await session.execute(_LAST, {"name": JOB})).one_or_none()
    return None if row is None else LastRun(row.id, row.finished_at, row.outcome["checks"])


_LAST = text("""
    SELECT id, finished_at, outcome FROM job_runs WHERE name = :name AND finished_at IS NOT NULL AND outcome IS NOT NULL
    ORDER BY started_at DESC LIMIT 1
""")
