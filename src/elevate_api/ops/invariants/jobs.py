"""The daily check. A process may not live for a day, so it looks every hour whether a day has passed."""

from datetime import timedelta

from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database
from elevate_api.kit.schedule import JobSpec
from elevate_api.ops.invariants import service

LOOK_SECONDS = 3600
DUE = timedelta(days=1) - timedelta(seconds=LOOK_SECONDS / 2)


def jobs() -> list[JobSpec]:
    return [JobSpec(service.JOB, LOOK_SECONDS, run_when_due)]


async def run_when_due(database: Database) -> None:
    async with database.session() as session:
        last = await service.last_run(session)
    if last is None or utcnow() - last.finished_at >= DUE:
        await service.run(database, "scheduler")
