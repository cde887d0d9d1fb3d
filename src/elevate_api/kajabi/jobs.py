"""What the scheduler does for the inbox."""

from elevate_api.config import KajabiSettings
from elevate_api.kajabi import inbox, metrics, pull, queries
from elevate_api.kajabi.rules import Status
from elevate_api.kit.db import Database
from elevate_api.kit.schedule import JobSpec

SWEEP_SECONDS = 10
MATCH_SECONDS = 300


def jobs(settings: KajabiSettings) -> list[JobSpec]:
    async def sweep(database: Database) -> None:
        await inbox.sweep(database, settings.learn_tags)
        await observe(database)

    async def match(database: Database) -> None:
        await inbox.sweep_unmatched(database, settings.learn_tags)

    declared = [JobSpec("kajabi-inbox", SWEEP_SECONDS, sweep), JobSpec("kajabi-unmatched", MATCH_SECONDS, match)]
    if settings.client_id is not None and settings.client_secret is not None:

        async def ask(database: Database) -> None:
            await pull.run(database, settings, "scheduler")

        declared.append(JobSpec(pull.JOB, settings.pull_seconds, ask))
    return declared


async def observe(database: Database) -> None:
    """Set the gauges of what waits."""
    async with database.session() as session:
        found = await queries.waiting(session)
    for status in (Status.RECEIVED, Status.UNMATCHED, Status.FAILED):
        metrics.WAITING.labels(status.value).set(found[status].events if status in found else 0)
    unmatched = found.get(Status.UNMATCHED)
    metrics.UNMATCHED_AGE.set(unmatched.oldest_seconds if unmatched else 0)
