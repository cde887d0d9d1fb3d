from elevate_api.config import RetentionSettings
from elevate_api.kit.db import Database
from elevate_api.kit.schedule import JobSpec
from elevate_api.retention import clock, service

SECONDS = 86_400
CLOCK_SECONDS = 600


def jobs(settings: RetentionSettings) -> list[JobSpec]:
    async def run(database: Database) -> None:
        await service.run(database, settings, "scheduler")

    return [
        JobSpec(service.JOB, SECONDS, run),
        JobSpec("privacy-clock", CLOCK_SECONDS, clock.measure, at_start=True),
    ]
