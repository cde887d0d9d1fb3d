"""What the scheduler does for alerts."""

from elevate_api.alerts.monitor import AlertMonitor
from elevate_api.config import AlertSettings
from elevate_api.kit.db import Database
from elevate_api.kit.schedule import JobSpec


def jobs(settings: AlertSettings, monitor: AlertMonitor) -> list[JobSpec]:
    async def evaluate(_database: Database) -> None:
        await monitor.round()

    return [JobSpec("alerts", settings.interval, evaluate, at_start=True)] if settings.enabled else []
