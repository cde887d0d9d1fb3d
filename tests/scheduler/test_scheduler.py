import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import text
from tests.support.waiting import until

from elevate_api import scheduler as scheduling
from elevate_api.analytics import jobs as analytics_jobs
from elevate_api.analytics.queries import freshness
from elevate_api.app import create_app
from elevate_api.config import SchedulerSettings, Settings
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database
from elevate_api.kit.schedule import JobSpec
from elevate_api.scheduler import Scheduler, declared_jobs

Run = Callable[[Database], Awaitable[object]]
Start = Callable[..., Scheduler]
NEVER = 3600.0


@pytest.fixture
async def start(database: Database) -> AsyncIterator[Start]:
    """Start a scheduler with these jobs; it is stopped at the end."""
    started: list[Scheduler] = []

    def start(*jobs: JobSpec) -> Scheduler:
        scheduler = Scheduler(database, jobs, heartbeat_seconds=0.02)
        scheduler.start()
        started.append(scheduler)
        return scheduler

    yield start
    for scheduler in started:
        await scheduler.stop(patience=0)


def is_running(scheduler: Scheduler) -> bool:
    return scheduler.running


async def test_it_ticks_until_it_is_stopped(start: Start) -> None:
    scheduler = start()
    assert is_running(scheduler)

    await until(lambda: scheduler.last_tick_at)
    first = scheduler.last_tick_at
    await until(lambda: scheduler.last_tick_at != first)
    await scheduler.stop()

    assert not is_running(scheduler)
    last = scheduler.last_tick_at
    await asyncio.sleep(0.1)
    assert scheduler.last_tick_at == last


async def test_a_job_gets_the_database_and_comes_again(start: Start, database: Database) -> None:
    given: list[Database] = []

    async def run(one: Database) -> None:
        given.append(one)

    start(JobSpec("often", 0.02, run))

    await until(lambda: len(given) >= 3)
    assert set(given) == {database}


async def test_only_a_job_that_asks_for_it_runs_at_the_start(start: Start) -> None:
    ran = []

    def recording(name: str) -> Run:
        async def run(_: Database) -> None:
            ran.append(name)

        return run

    start(JobSpec("later", NEVER, recording("later")), JobSpec("now", NEVER, recording("now"), at_start=True))

    await until(lambda: ran)
    assert ran == ["now"]


async def test_a_failing_job_is_logged_and_comes_again_and_harms_no_other(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    failures, others = [], []

    async def fail(_: Database) -> None:
        failures.append(1)
        raise RuntimeError("the job's own fault")

    async def other(_: Database) -> None:
        others.append(1)

    scheduler = start(JobSpec("failing", 0.02, fail), JobSpec("other", 0.02, other))

    await until(lambda: len(failures) >= 2 and len(others) >= 2)
    assert scheduler.running
    logged = capsys.readouterr().out
    assert "job_failed" in logged
    assert "the job's own fault" in logged


async def test_a_database_that_is_away_is_a_line_and_no_traceback_each_time(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    failures = []

    async def fail(_: Database) -> None:
        failures.append(1)
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    start(JobSpec("failing", 0.02, fail))

    await until(lambda: len(failures) >= 2)
    logged = capsys.readouterr().out
    assert "job_failed" in logged
    assert "Connection refused" in logged
    assert "Traceback" not in logged


async def test_a_job_never_overlaps_with_itself(start: Start) -> None:
    at_once, most, ended = 0, 0, 0

    async def slow(_: Database) -> None:
        nonlocal at_once, most, ended
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.08)
        at_once -= 1
        ended += 1

    start(JobSpec("slow", 0.01, slow))

    await until(lambda: ended >= 2)
    assert most == 1


async def test_stopping_waits_for_what_runs(start: Start) -> None:
    running, released, ended = asyncio.Event(), asyncio.Event(), []

    async def work(_: Database) -> None:
        running.set()
        await released.wait()
        ended.append(1)

    scheduler = start(JobSpec("work", NEVER, work, at_start=True))
    await running.wait()
    stopping = asyncio.create_task(scheduler.stop(patience=10))
    await asyncio.sleep(0)
    released.set()
    await stopping

    assert ended


async def test_stopping_cancels_what_takes_too_long_and_waits_for_its_end(start: Start) -> None:
    running, cleaned = asyncio.Event(), []

    async def work(_: Database) -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(1)

    scheduler = start(JobSpec("work", NEVER, work, at_start=True))
    await running.wait()
    await scheduler.stop(patience=0.01)

    assert cleaned
    assert not scheduler.running


async def test_stopping_what_never_started_does_nothing(database: Database) -> None:
    await Scheduler(database, []).stop()


async def refreshes(database: Database) -> int:
    async with database.session() as session:
        return int(await session.scalar(text("SELECT count(*) FROM job_runs WHERE name = 'refresh-analytics'")) or 0)


async def test_the_refresh_runs_at_the_start_and_then_when_it_is_due(database: Database) -> None:
    refresh = analytics_jobs.Refresh(due_seconds=60)
    again = analytics_jobs.Refresh(due_seconds=0)

    await refresh(database)
    assert await refreshes(database) == 1
    await refresh(database)
    assert await refreshes(database) == 1, "fresh enough, whoever refreshed"
    await again(database)
    await again(database)
    assert await refreshes(database) == 3


async def test_a_failed_refresh_is_due_again(database: Database, owner: Database) -> None:
    refresh = analytics_jobs.Refresh(due_seconds=60)
    await refresh(database)
    async with owner.session() as session:
        await session.execute(
            text(
                "INSERT INTO analytics_refreshes (view_name, triggered_by, started_at, finished_at, ok)"
                " VALUES ('cohort_metrics', 'test', clock_timestamp(), clock_timestamp(), false)"
            )
        )

    await refresh(database)

    assert await refreshes(database) == 2


async def test_expired_idempotency_keys_are_purged(database: Database, owner: Database, settings: Settings) -> None:
    async with owner.session() as session:
        for key, expires_at in (("old", utcnow() - timedelta(seconds=1)), ("new", utcnow() + timedelta(hours=1))):
            await session.execute(
                text(
                    "INSERT INTO idempotency_keys (user_id, key, request_hash, status_code, headers, body, expires_at)"
                    " VALUES ('u', :key, 'x', 200, '{}', 'x', :expires_at)"
                ),
                {"key": key, "expires_at": expires_at},
            )
    (purge,) = [job for job in declared_jobs(settings) if job.name == "purge-idempotency-keys"]

    await purge.run(database)

    async with owner.session() as session:
        assert (await session.execute(text("SELECT key FROM idempotency_keys"))).scalars().all() == ["new"]


async def test_the_service_starts_ticking_refreshes_and_stops_with_it(database: Database, settings: Settings) -> None:
    on = SchedulerSettings.model_validate({"SCHEDULER_ENABLED": True})
    app = create_app(settings.model_copy(update={"scheduler": on}), database)
    async with app.router.lifespan_context(app):
        scheduler = app.state.scheduler
        await until(lambda: scheduler.last_tick_at)
        await until(lambda: all_refreshed(database))
        status, health = await app.state.health.report()
        assert (status, health.scheduler.running) == (200, True)
        assert {check.name: check.status for check in health.checks}["scheduler"] == "pass"

    assert not scheduler.running


async def all_refreshed(database: Database) -> bool:
    async with database.session() as session:
        return all(view.last_ok for view in await freshness(session))


async def test_a_process_that_is_told_so_has_no_scheduler(settings: Settings, database: Database) -> None:
    app = create_app(settings, database)

    assert not settings.scheduler.enabled
    assert app.state.scheduler is None


def test_every_declared_job_has_a_name_of_its_own(settings: Settings) -> None:
    names = [job.name for job in declared_jobs(settings)]

    assert len(set(names)) == len(names)
    assert scheduling.HEARTBEAT_SECONDS > 0
