"""What the scheduler does for the seal."""

from elevate_api.config import SchedulerSettings
from elevate_api.kit.db import Database
from elevate_api.kit.schedule import JobSpec
from elevate_api.seal import horizon, service


def jobs(settings: SchedulerSettings) -> list[JobSpec]:
    return [JobSpec(horizon.JOB, settings.seal_seconds, seal_when_due)]


async def seal_when_due(database: Database) -> None:
    """Every process has a scheduler, and most looks find nothing new: that is no run to record."""
    async with database.session() as session:
        if await service.nothing_to_seal(session):
            return
    await service.seal(database, "scheduler")
