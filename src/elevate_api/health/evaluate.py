"""From findings to checks: arithmetic and thresholds, without a database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from elevate_api.analytics.queries import ViewFreshness
from elevate_api.health.schemas import CheckOut, PoolOut, Verdict
from elevate_api.ops.migrations import MigrationState

POOL_LIMIT = 0.8
SILENT_SECONDS = 60
"""Six heartbeats."""


@dataclass(frozen=True, slots=True)
class SchedulerFigures:
    """`expected`: whether this process is to have one."""

    expected: bool
    running: bool
    last_tick_at: datetime | None


def check_database(latency_seconds: float) -> CheckOut:
    return CheckOut(name="database", status=Verdict.PASS, detail=f"answered in {latency_seconds * 1000:.1f} ms")


def check_migrations(state: MigrationState) -> CheckOut:
    """Whether the database is at this code's head; ahead of it is a rolling deploy, which is well for a while."""
    if state.up_to_date:
        return CheckOut(name="migrations", status=Verdict.PASS, detail="at head")
    where = "ahead of this code" if state.ahead else f"{len(state.pending)} behind"
    return CheckOut(name="migrations", status=Verdict.WARN, detail=where)


def check_views(views: Sequence[ViewFreshness], missing: Sequence[str], stale_seconds: float) -> CheckOut:
    faults = [f"{view} is missing" for view in missing]
    faults += [f"the last refresh of {view.view} failed" for view in views if view.last_ok is False]
    for view in views:
        if view.age_seconds is None:
            faults.append(f"{view.view} was never refreshed")
        elif view.is_stale(stale_seconds):
            faults.append(f"{view.view} is {view.age_seconds:.0f} s old")
    if faults:
        return CheckOut(name="views", status=Verdict.WARN, detail="; ".join(faults))
    return CheckOut(name="views", status=Verdict.PASS, detail=f"all refreshed within {stale_seconds:g} s")


def check_pool(pool: PoolOut) -> CheckOut:
    status = Verdict.WARN if pool.utilization > POOL_LIMIT else Verdict.PASS
    return CheckOut(name="pool", status=status, detail=f"{pool.in_use} of {pool.size} connections in use")


def check_scheduler(scheduler: SchedulerFigures, now: datetime) -> CheckOut:
    """Whether the heartbeat is heard; a process that is told to have no scheduler is well without."""
    if not scheduler.expected:
        return CheckOut(name="scheduler", status=Verdict.PASS, detail="switched off in this process")
    if not scheduler.running or scheduler.last_tick_at is None:
        return CheckOut(name="scheduler", status=Verdict.WARN, detail="not running")
    silence = (now - scheduler.last_tick_at).total_seconds()
    if silence > SILENT_SECONDS:
        return CheckOut(name="scheduler", status=Verdict.WARN, detail=f"silent for {silence:.0f} s")
    return CheckOut(name="scheduler", status=Verdict.PASS, detail="ticking")


def check_figures(unread: Sequence[str]) -> CheckOut:
    """Whether everything could be read; a lock or a missing table leaves the rest of the answer standing."""
    if unread:
        return CheckOut(name="figures", status=Verdict.WARN, detail=f"could not be read: {', '.join(unread)}")
    return CheckOut(name="figures", status=Verdict.PASS, detail="all read")
