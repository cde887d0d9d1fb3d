"""What the scheduler does for backups, where BACKUP_DIR says that it should."""

from elevate_api.addresses import direct_address
from elevate_api.backups import service
from elevate_api.config import Settings
from elevate_api.kit.db import Database
from elevate_api.kit.schedule import JobSpec

LOOK_SECONDS = 60
"""How often it is asked whether something is due; the settings say when it is."""


def jobs(settings: Settings) -> list[JobSpec]:
    return [JobSpec(service.JOB, LOOK_SECONDS, _Backup(settings))] if settings.backups.directory else []


class _Backup:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __call__(self, database: Database) -> None:
        store, backups = service.open_store(self._settings), self._settings.backups
        if service.is_due(store, backups):
            address = direct_address(self._settings)
            await service.keep_up(database, address, store, backups, self._settings.app.zone)
