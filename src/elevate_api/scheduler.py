"""APScheduler in the process, assembled from the jobs that packages declare."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from elevate_api.analytics import jobs as analytics
from elevate_api.backups import jobs as backups
from elevate_api.config import Settings
from elevate_api.kajabi import jobs as kajabi
from elevate_api.kit import idempotency
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database
from elevate_api.kit.problems import DatabaseUnavailable, as_problem
from elevate_api.kit.schedule import JobSpec
from elevate_api.ops.invariants import jobs as invariants
from elevate_api.retention import jobs as retention
from elevate_api.seal import jobs as seal
from elevate_api.users import jobs as users

HEARTBEAT_SECONDS = 10
PURGE_SECONDS = 3600
STOP_SECONDS = 5
"""How long a stop waits for running jobs before it cancels them; a cancelled refresh is recorded as failed."""

logging.getLogger("apscheduler").setLevel(logging.WARNING)  # or every heartbeat would be two lines of the log
log = structlog.get_logger(__name__)


def declared_jobs(settings: Settings) -> list[JobSpec]:
    """Every job of the service, a line a package."""
    return [
        *analytics.jobs(settings.scheduler),
        *backups.jobs(settings),
        *retention.jobs(settings.retention),
        *kajabi.jobs(settings.kajabi),
        *users.jobs(),
        *invariants.jobs(),
        *seal.jobs(settings.scheduler),
        JobSpec("purge-idempotency-keys", PURGE_SECONDS, _purge_idempotency_keys),
    ]


def _complain(job: str, error: Exception) -> None:
    """A traceback, but for a database that is away: every job meets that again and again, and a line says it all."""
    if isinstance(as_problem(error, {}), DatabaseUnavailable):
        log.warning("job_failed", job=job, error=repr(error))
    else:
        log.error("job_failed", job=job, exc_info=error)


async def _purge_idempotency_keys(database: Database) -> None:
    async with database.session() as session:
        await idempotency.purge(session)


class Scheduler:
    """Runs jobs on the running event loop, each at most once at a time; a failing one is logged and comes again."""

    def __init__(
        self, database: Database, jobs: Sequence[JobSpec], *, heartbeat_seconds: float = HEARTBEAT_SECONDS
    ) -> None:
        self._database = database
        self._jobs = tuple(jobs)
        self._heartbeat_seconds = heartbeat_seconds
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._running: set[asyncio.Task[object]] = set()
        self.last_tick_at: datetime | None = None

    @property
    def running(self) -> bool:
        return bool(self._scheduler.running)

    def start(self) -> None:
        """Start ticking; jobs that are declared so run at once. A scheduler is started once."""
        self._add("heartbeat", self._heartbeat_seconds, self._tick, at_start=True)
        for job in self._jobs:
            self._add(job.name, job.seconds, self._runner(job), at_start=job.at_start)
        self._scheduler.start()

    async def stop(self, patience: float = STOP_SECONDS) -> None:
        """Start nothing more, wait for what runs, cancel what takes longer than `patience` seconds."""
        if not self.running:
            return
        self._scheduler.pause()
        await asyncio.sleep(0)  # what was just started becomes known
        running = list(self._running)
        if running:
            _, late = await asyncio.wait(running, timeout=patience)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._scheduler.shutdown(wait=False)
        await asyncio.sleep(0)  # APScheduler shuts itself down in a callback of the loop

    def _add(self, name: str, seconds: float, run: Callable[[], Awaitable[None]], *, at_start: bool) -> None:
        first = {"next_run_time": utcnow()} if at_start else {}
        # However late a job's turn comes, it runs, and once for all the turns that it missed.
        self._scheduler.add_job(
            run, "interval", seconds=seconds, id=name, max_instances=1, coalesce=True, misfire_grace_time=None, **first
        )

    async def _tick(self) -> None:
        self.last_tick_at = utcnow()

    def _runner(self, job: JobSpec) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101  (APScheduler runs coroutines as tasks)
            self._running.add(task)
            try:
                await job.run(self._database)
            except asyncio.CancelledError:
                log.warning("job_cancelled", job=job.name)  # by `stop`; there is nobody above to tell
            except Exception as error:  # noqa: BLE001  (whatever a job raises: it comes again)
                _complain(job.name, error)
            finally:
                self._running.discard(task)

        return run
