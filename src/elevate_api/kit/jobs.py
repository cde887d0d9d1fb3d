"""Jobs that must not overlap, over any number of processes: single flight in the database, outcome kept."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Index, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.bounds import deadline, unlimited
from elevate_api.kit.db import Database
from elevate_api.kit.orm import Base, uuid_pk

log = structlog.get_logger(__name__)

Outcome = dict[str, Any]
Work = Callable[[UUID], Awaitable[Outcome]]
LOOKS, PAUSE = 40, 0.05
"""How often, and how many seconds apart, an overlapping call looks for the id of the run that holds the lock."""
LET_GO_SECONDS = 10.0
"""For ending the transaction that holds the lock; a silent server is left alone with it then."""


class JobRun(Base):
    """A run of a job; unfinished while `finished_at` is NULL."""

    __tablename__ = "job_runs"

    id: Mapped[uuid_pk]
    name: Mapped[str]
    triggered_by: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    finished_at: Mapped[datetime | None]
    ok: Mapped[bool | None]
    outcome: Mapped[dict[str, Any] | None]
    error: Mapped[str | None]


Index("job_runs_name_started_at_idx", JobRun.name, JobRun.started_at)


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a call came to: the run's id, whether another call is running it, and its outcome when it is done."""

    job_id: UUID
    running: bool
    outcome: Outcome | None = None


class JobNotObserved(RuntimeError):
    """The lock is held, yet no run shows within two seconds: whoever holds it hangs before its first statement."""


async def run_single_flight(database: Database, name: str, triggered_by: str, work: Work) -> JobResult:
    """Run `work` unless a run of `name` is under way anywhere; then answer that run's id at once.

    The lock is a transaction's advisory lock on a connection that does nothing else, so it ends with its process and
    holds through a transaction pooler. An idle READ COMMITTED transaction has no snapshot and holds nothing back.
    Whatever `work` raises is recorded and raised.
    """
    async with database.engine.connect() as keeper:
        for _ in range(LOOKS):
            async with keeper.begin():
                if await _take_lock(keeper, name):
                    deadline(keeper, None)  # it does nothing for as long as the work takes
                    try:
                        return await _run(database, name, triggered_by, work)
                    finally:
                        deadline(keeper, LET_GO_SECONDS)
                running = await _running_id(keeper, name)
            if running is not None:
                return JobResult(running, running=True)
            await asyncio.sleep(PAUSE)
    raise JobNotObserved(name)


async def _take_lock(keeper: AsyncConnection, name: str) -> bool:
    await keeper.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    await unlimited(keeper)
    statement = text("SELECT pg_try_advisory_xact_lock(hashtextextended('elevate:job:' || :name, 0))")
    return bool(await keeper.scalar(statement, {"name": name}))


async def _running_id(keeper: AsyncConnection, name: str) -> UUID | None:
    statement = text(
        "SELECT id FROM job_runs WHERE name = :name AND finished_at IS NULL ORDER BY started_at DESC LIMIT 1"
    )
    found: UUID | None = await keeper.scalar(statement, {"name": name})
    return found


async def _run(database: Database, name: str, triggered_by: str, work: Work) -> JobResult:
    job_id = await _open(database, name, triggered_by)
    try:
        outcome = await work(job_id)
    except BaseException as error:
        await asyncio.shield(_close(database, job_id, ok=False, error=f"{type(error).__name__}: {error}"))
        raise
    await _close(database, job_id, ok=bool(outcome.get("ok", True)), outcome=outcome)
    return JobResult(job_id, running=False, outcome=outcome)


async def _open(database: Database, name: str, triggered_by: str) -> UUID:
    """Record the run. Rows still open belong to processes that died: we hold the lock that they held."""
    async with database.session() as session:
        await session.execute(
            text(
                "UPDATE job_runs SET finished_at = clock_timestamp(), ok = false, "
                "error = 'abandoned: its process ended' WHERE name = :name AND finished_at IS NULL"
            ),
            {"name": name},
        )
        statement = text("INSERT INTO job_runs (name, triggered_by) VALUES (:name, :by) RETURNING id")
        job_id: UUID = (await session.execute(statement, {"name": name, "by": triggered_by})).scalar_one()
    return job_id


async def _close(
    database: Database, job_id: UUID, *, ok: bool, outcome: Outcome | None = None, error: str | None = None
) -> None:
    async with database.session() as session:
        run = await session.get_one(JobRun, job_id)
        run.ok, run.outcome, run.error = ok, outcome, error
        run.finished_at = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
