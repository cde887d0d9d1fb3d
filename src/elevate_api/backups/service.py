"""Making backups, by hand and by schedule: one at a time over all processes, each recorded as a run of a job."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from elevate_api.backups import dump, increments, keep
from elevate_api.backups.crypto import Key
from elevate_api.backups.errors import BackupFailed
from elevate_api.backups.increments import NotContinuable
from elevate_api.backups.manifest import Kind, Manifest, Style
from elevate_api.backups.store import Store
from elevate_api.config import BackupSettings, Settings
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Address, Database
from elevate_api.kit.jobs import JobResult, Outcome, run_single_flight
from elevate_api.postgres import default_data_dir

JOB = "backup"
FOLDER = "backups"
log = structlog.get_logger(__name__)


def open_store(settings: Settings) -> Store:
    """BACKUP_DIR, else a folder in the data directory."""
    folder = settings.backups.directory or (settings.embedded.data_dir or default_data_dir()) / FOLDER
    return Store(Path(folder), [Key.parse(key.get_secret_value()) for key in settings.backups.keys])


async def create(
    database: Database, address: Address, store: Store, triggered_by: str, kind: Kind, *, plain: bool = False
) -> Manifest:
    """Back up `address` now, recorded in `database`. Raises BackupFailed, also when another backup is under way."""

    async def work(_: UUID) -> Outcome:
        return outcome_of(await _create(address, store, kind, plain=plain))

    result = await run_single_flight(database, JOB, triggered_by, work)
    return _made(store, result)


async def _create(address: Address, store: Store, kind: Kind, *, plain: bool) -> Manifest:
    if kind is not Kind.INCREMENT:
        return await dump.create(address, store, kind, plain=plain)
    base = newest_dump(store.list())
    if base is None:
        raise BackupFailed("an increment needs a dump to go on from: run `elevate backup create` first")
    return await increments.create(address, store, base)


async def keep_up(database: Database, address: Address, store: Store, settings: BackupSettings, zone: Any) -> JobResult:
    """The scheduled backup: whatever is due, then prune. Raises BackupFailed."""

    async def work(_: UUID) -> Outcome:
        manifest = await _scheduled(address, store, settings)
        if manifest is None:
            return {"ok": True, "kind": None}
        removed = prune(store, settings, zone) if manifest.kind is Kind.FULL else []
        return outcome_of(manifest, removed=len(removed))

    return await run_single_flight(database, JOB, "scheduler", work)


async def _scheduled(address: Address, store: Store, settings: BackupSettings) -> Manifest | None:
    backups = store.list()
    kind = due(backups, utcnow(), settings)
    base = newest_dump(backups)
    if kind is Kind.INCREMENT and base is not None:
        try:
            return await increments.create(address, store, base)
        except NotContinuable as reason:
            log.info("backup_starts_over", reason=str(reason))
            kind = Kind.FULL
    return None if kind is None else await dump.create(address, store, Kind.FULL)


def is_due(store: Store, settings: BackupSettings) -> bool:
    """A look at the folder only: most times there is nothing to do, and no run to record."""
    return due(store.list(), utcnow(), settings) is not None


def due(backups: Sequence[Manifest], now: datetime, settings: BackupSettings) -> Kind | None:
    """What the schedule wants: a dump, an increment, or nothing yet."""
    base = newest_dump(backups)
    if base is None or _age(base, now) >= settings.dump_seconds:
        return Kind.FULL
    newest = newest_restorable(backups) or base
    return Kind.INCREMENT if _age(newest, now) >= settings.increment_seconds else None


def newest_dump(backups: Sequence[Manifest]) -> Manifest | None:
    dumps = [backup for backup in backups if backup.kind is Kind.FULL and backup.style is Style.CUSTOM]
    return max(dumps, key=lambda backup: backup.snapshot.taken_at, default=None)


def newest_restorable(backups: Sequence[Manifest]) -> Manifest | None:
    restorable = [backup for backup in backups if backup.restorable]
    return max(restorable, key=lambda backup: backup.snapshot.taken_at, default=None)


def prune(store: Store, settings: BackupSettings, zone: Any, *, dry_run: bool = False) -> list[Manifest]:
    """Remove what need not be kept; answers what was (or would be) removed."""
    removed = keep.to_remove(store.list(), daily=settings.keep_daily, weekly=settings.keep_weekly, zone=zone)
    if not dry_run:
        for manifest in removed:
            store.remove(manifest)
    return removed


def outcome_of(manifest: Manifest, **more: Any) -> Outcome:
    """What the history keeps of a backup."""
    ledger = manifest.ledger
    return {
        "ok": True,
        "backup": manifest.id,
        "kind": str(manifest.kind),
        "style": str(manifest.style),
        "encrypted": manifest.encrypted,
        "sizeBytes": manifest.size_bytes,
        "seconds": manifest.seconds,
        "takenAt": manifest.snapshot.taken_at.isoformat(),
        "migration": manifest.snapshot.migration,
        "ledgerRows": ledger.rows if ledger else None,
        **more,
    }


def _made(store: Store, result: JobResult) -> Manifest:
    if result.outcome is None:
        raise BackupFailed(f"another backup is under way (run {result.job_id}): wait for it")
    return store.find(result.outcome["backup"])


def _age(backup: Manifest, now: datetime) -> float:
    return (now - backup.snapshot.taken_at).total_seconds()
