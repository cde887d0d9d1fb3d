"""Refreshing the analytics views: one run at a time over all processes, each view in a transaction of its own."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from elevate_api.analytics import totals
from elevate_api.analytics.queries import VIEWS
from elevate_api.kit.bounds import take_time
from elevate_api.kit.db import Database
from elevate_api.kit.jobs import JobResult, Outcome, run_single_flight
from elevate_api.kit.problems import UNAVAILABLE, describe

JOB = "refresh-analytics"
PATIENCE_SECONDS = 900
"""Longest that one view may take, waiting for locks included. A million people and ten million ledger rows took 24."""

log = structlog.get_logger(__name__)


async def refresh(database: Database, triggered_by: str, views: Sequence[str] | None = None) -> JobResult:
    """Refresh every view, or those named. While another call does so anywhere, answer that run's id at once.

    `outcome` is `{ok, views: [{view, durationSeconds, rows, ok, error?}]}`; a view that fails stops no other. `error`
    says what is wrong without the database's own words, which `analytics_refreshes` keeps. Raises ValueError for an
    unknown view, and what the driver raises when the database cannot be reached.
    """
    names = tuple(VIEWS if views is None else views)
    unknown = [name for name in names if name not in VIEWS]
    if unknown:
        raise ValueError(f"no such analytics view: {', '.join(unknown)}")

    async def work(job: UUID) -> Outcome:
        outcomes = [await _refresh_view(database, name, job, triggered_by) for name in names]
        for outcome in outcomes:
            if outcome.error is not None:
                log.error("view_refresh_failed", view=outcome.view, error=outcome.error, job_id=str(job))
        return {"ok": all(outcome.error is None for outcome in outcomes), "views": [o.public() for o in outcomes]}

    return await run_single_flight(database, JOB, triggered_by, work)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One view's refresh. `error` is the database's own words after the SQLSTATE, for the history and the log only."""

    view: str
    seconds: float
    rows: int | None = None
    error: str | None = None

    def public(self) -> dict[str, Any]:
        result = {
            "view": self.view,
            "durationSeconds": round(self.seconds, 6),
            "rows": self.rows,
            "ok": self.error is None,
        }
        if self.error is None:
            return result
        return {**result, "error": _REASONS.get(self.error.partition(" ")[0], "the refresh failed")}


_REASONS = {
    "42P01": "the view, or something that it reads, does not exist",
    "57014": f"it was cancelled, or took longer than {PATIENCE_SECONDS} seconds",
    UNAVAILABLE: "the database could not be reached",
}


async def _refresh_view(database: Database, view: str, job: UUID, triggered_by: str) -> _Outcome:
    started = time.monotonic()
    try:
        return await _run_refresh(database, view, job, triggered_by)
    except asyncio.CancelledError:
        # The process is asked to stop: say so in the history, then go.
        seconds = time.monotonic() - started
        await asyncio.shield(_record(database, job, triggered_by, _Outcome(view, seconds, error="cancelled")))
        raise
    except Exception as failure:  # noqa: BLE001  (whatever stops this view must not stop the next)
        known = describe(failure)
        error = f"{known.sqlstate} {known.message}" if known else repr(failure)
        outcome = _Outcome(view, time.monotonic() - started, error=error)
        await _record(database, job, triggered_by, outcome)
        return outcome


async def _run_refresh(database: Database, view: str, job: UUID, triggered_by: str) -> _Outcome:
    """Have the database refresh the view. It records most failures itself; a cancelled statement it raises.

    The fold before it is a transaction of its own, so that others go on while the view is refreshed.
    """
    folded = await totals.fold(database, wait=True)
    async with database.session() as session:
        await take_time(session, PATIENCE_SECONDS)
        parameters = {"view": view, "job": job, "by": triggered_by, "folded_at": folded.as_of}
        row = (await session.execute(text(_REFRESH), parameters)).one()
    return _Outcome(view, (row.finished_at - row.started_at).total_seconds(), row.row_count, row.error)


async def _record(database: Database, job: UUID, triggered_by: str, outcome: _Outcome) -> None:
    """Record a failure that took its transaction with it, in another; a database that is gone leaves only the log."""
    parameters = {
        "job": job,
        "view": outcome.view,
        "by": triggered_by,
        "seconds": outcome.seconds,
        "error": outcome.error,
    }
    try:
        async with database.session() as session:
            await session.execute(text(_RECORD_FAILURE), parameters)
    except (SQLAlchemyError, OSError) as error:
        log.warning("view_refresh_not_recorded", view=outcome.view, error=repr(error))


_REFRESH = "SELECT * FROM refresh_analytics_view(:view, :job, :by, :folded_at)"

_RECORD_FAILURE = """
INSERT INTO analytics_refreshes (job_id, view_name, triggered_by, started_at, finished_at, ok, error)
VALUES (:job, :view, :by, clock_timestamp() - make_interval(secs => :seconds), clock_timestamp(), false, :error)
"""
