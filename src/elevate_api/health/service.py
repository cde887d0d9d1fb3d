"""What the health routes answer, looked up at most once a second however many ask."""

import asyncio
import time
from datetime import datetime
from typing import Protocol

from sqlalchemy.pool import QueuePool

from elevate_api.health import evaluate
from elevate_api.health.evaluate import SchedulerFigures
from elevate_api.health.probe import DatabaseProbe, Findings, Unusable
from elevate_api.health.schemas import (
    CheckOut,
    DatabaseHealthOut,
    HealthOut,
    MigrationsOut,
    PoolOut,
    ReadyOut,
    SchedulerOut,
    UnhealthyOut,
    Verdict,
    ViewHealthOut,
)
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database
from elevate_api.ops import migrations
from elevate_api.ops.migrations import MigrationState

CACHE_SECONDS = 1.0
OK, UNAVAILABLE = 200, 503


class Ticking(Protocol):
    """What is asked of the scheduler."""

    @property
    def running(self) -> bool: ...
    @property
    def last_tick_at(self) -> datetime | None: ...


class HealthMonitor:
    """One a process. Nothing is connected before the first question; whoever makes it closes it.

    `scheduler` is None where this process is to have none. `stale_seconds`: the age at which a view is too old.
    """

    def __init__(self, database: Database, scheduler: Ticking | None, *, stale_seconds: float) -> None:
        self._database = database
        self._scheduler = scheduler
        self._stale_seconds = stale_seconds
        self._probe = DatabaseProbe(database.address)
        self._looking: asyncio.Task[tuple[Findings | Unusable, datetime]] | None = None
        self._looked_at = 0.0
        self._states: dict[str | None, MigrationState] = {}

    async def report(self) -> tuple[int, HealthOut | UnhealthyOut]:
        """The HTTP status and the answer of /health/database."""
        findings, checked_at = await self._findings()
        pool, scheduler = pool_figures(self._database), self._scheduler_figures()
        around = [evaluate.check_pool(pool), evaluate.check_scheduler(scheduler, utcnow())]
        if isinstance(findings, Unusable):
            return UNAVAILABLE, UnhealthyOut(status="unhealthy", checks=[_failed(findings), *around])
        state = await self._state_of(findings.revision)
        checks = [*self._database_checks(findings, state), *around]
        well = all(check.status is Verdict.PASS for check in checks)
        return OK, HealthOut(
            status="healthy" if well else "degraded",
            views=_views(findings),
            recent_submissions=findings.recent_submissions,
            database=DatabaseHealthOut(
                latency_seconds=round(findings.latency_seconds, 6),
                size_bytes=findings.size_bytes,
                version=findings.version,
            ),
            migrations=MigrationsOut(current=state.current, head=state.head, up_to_date=state.up_to_date),
            pool=pool,
            scheduler=SchedulerOut(running=scheduler.running, last_tick_at=scheduler.last_tick_at),
            checks=checks,
            checked_at=checked_at,
        )

    async def readiness(self) -> tuple[int, ReadyOut]:
        """The HTTP status and the answer of /health/ready."""
        findings, _ = await self._findings()
        if isinstance(findings, Unusable):
            return UNAVAILABLE, ReadyOut(status="not ready", checks=[_failed(findings)])
        state = await self._state_of(findings.revision)
        ready = state.up_to_date or state.ahead
        migrated = evaluate.check_migrations(state)
        if not ready:
            migrated = migrated.model_copy(update={"status": Verdict.FAIL})
        checks = [evaluate.check_database(findings.latency_seconds), migrated]
        return OK if ready else UNAVAILABLE, ReadyOut(status="ready" if ready else "not ready", checks=checks)

    async def close(self) -> None:
        if self._looking is not None:
            await asyncio.gather(self._looking, return_exceptions=True)
        await self._probe.close()

    async def _findings(self) -> tuple[Findings | Unusable, datetime]:
        """Look, join those who are looking, or take what was found within the last second."""
        looking = self._looking
        if looking is None or (looking.done() and time.monotonic() - self._looked_at >= CACHE_SECONDS):
            self._looked_at = time.monotonic()
            looking = self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(looking)

    async def _look(self) -> tuple[Findings | Unusable, datetime]:
        now = utcnow()
        return await self._probe.look(), now

    async def _state_of(self, revision: str | None) -> MigrationState:
        """Compare with this code's migrations, which are files: read once for each revision."""
        if revision not in self._states:
            self._states[revision] = await asyncio.to_thread(migrations.state_of, revision)
        return self._states[revision]

    def _scheduler_figures(self) -> SchedulerFigures:
        if self._scheduler is None:
            return SchedulerFigures(expected=False, running=False, last_tick_at=None)
        return SchedulerFigures(True, self._scheduler.running, self._scheduler.last_tick_at)

    def _database_checks(self, findings: Findings, state: MigrationState) -> list[CheckOut]:
        sizes_read = "sizes of views" not in findings.unread
        missing = [view.view for view in findings.views if sizes_read and view.view not in findings.view_sizes]
        return [
            evaluate.check_database(findings.latency_seconds),
            evaluate.check_migrations(state),
            evaluate.check_views(findings.views, missing, self._stale_seconds),
            evaluate.check_figures(findings.unread),
        ]


def pool_figures(database: Database) -> PoolOut:
    """How much of this process's pool is in use; a database without a pool has none of it in use."""
    pool = database.engine.pool
    if not isinstance(pool, QueuePool):
        return PoolOut(size=0, in_use=0, utilization=0)
    return PoolOut(size=pool.size(), in_use=pool.checkedout(), utilization=round(pool.checkedout() / pool.size(), 3))


def _failed(unusable: Unusable) -> CheckOut:
    return CheckOut(name="database", status=Verdict.FAIL, detail=unusable.detail)


def _views(findings: Findings) -> list[ViewHealthOut]:
    return [
        ViewHealthOut(
            name=view.view,
            size_bytes=size_bytes,
            size=size,
            rows=view.rows,
            age_seconds=None if view.age_seconds is None else round(view.age_seconds, 3),
            last_refresh_ok=view.last_ok,
        )
        for view in findings.views
        for size_bytes, size in [findings.view_sizes.get(view.view, (None, None))]
    ]
