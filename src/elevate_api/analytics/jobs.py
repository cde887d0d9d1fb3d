"""What the scheduler does for the totals and the views."""

from elevate_api.analytics import queries, service, totals
from elevate_api.config import SchedulerSettings
from elevate_api.kit.db import Database
from elevate_api.kit.schedule import JobSpec

TRIGGER = "scheduler"


def jobs(settings: SchedulerSettings) -> list[JobSpec]:
    return [
        JobSpec("fold-totals", settings.fold_seconds, totals.fold, at_start=True),
        JobSpec(service.JOB, settings.refresh_seconds, Refresh(settings.refresh_seconds / 2), at_start=True),
    ]


class Refresh:
    """The refresh: at the start in any case, then when the views are due.

    Every process has a scheduler. Where another one has just refreshed, this one has nothing to do: it waits until a
    view is `due_seconds` old, so that many processes refresh hardly more often than one.
    """

    def __init__(self, due_seconds: float) -> None:
        self._due_seconds = due_seconds
        self._started = False

    async def __call__(self, database: Database) -> None:
        if not self._started or await self._is_due(database):
            await service.refresh(database, TRIGGER)
        self._started = True

    async def _is_due(self, database: Database) -> bool:
        async with database.session() as session:
            views = await queries.freshness(session)
        return any(not view.last_ok or view.is_stale(self._due_seconds) for view in views)
