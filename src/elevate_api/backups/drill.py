"""A fire drill: back up, restore into a scratch database, prove it, and hold the times against the manual's."""

import secrets
from typing import Any
from uuid import UUID

from elevate_api.backups import dump, restore, service, target
from elevate_api.backups.errors import BackupFailed
from elevate_api.backups.manifest import Kind
from elevate_api.backups.restore import Say
from elevate_api.backups.store import Store
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Address, Database
from elevate_api.kit.jobs import Outcome, run_single_flight

JOB = "backup-drill"
RECOVERY_TIME = {"Data recovery": 4 * 3600, "Full system rebuild": 24 * 3600}
"""Seconds; the manual's objectives for recovery time that a restore answers to."""
RECOVERY_POINT = {"Point data": 3600, "Submissions": 4 * 3600, "User data": 24 * 3600}
"""Seconds of work that may be lost, by the manual."""


async def drill(
    database: Database, address: Address, store: Store, triggered_by: str, *, say: Say = lambda _: None
) -> dict[str, Any]:
    """Run it; the outcome is recorded and answered, `ok` False when an objective was missed.

    `recoveryPointSeconds` is the age of the newest backup that there was when the drill began, which is what a disaster
    at that moment would have cost; None when there was none. Raises BackupFailed when backup or restore fail.
    """

    async def work(_: UUID) -> Outcome:
        return await _drill(address, store, say)

    result = await run_single_flight(database, JOB, triggered_by, work)
    if result.outcome is None:
        raise BackupFailed(f"another drill is under way (run {result.job_id})")
    return result.outcome


async def _drill(address: Address, store: Store, say: Say) -> Outcome:
    point = _recovery_point(store)
    say("backup ...")
    manifest = await dump.create(address, store, Kind.FULL)
    say(f"backup: {manifest.seconds:.1f} s")
    name = f"elevate_drill_{utcnow():%Y%m%d%H%M%S}_{secrets.token_hex(2)}"
    async with target.fresh(address, name) as scratch:
        report = await restore.restore(store, restore.Source(manifest), scratch, say=say)
    await target.drop(address, name)
    objectives = judge(report.total, point)
    return {
        **service.outcome_of(manifest),
        "ok": all(objective["ok"] for objective in objectives),
        "steps": {"backup": manifest.seconds, **report.seconds},
        "recoveryTimeSeconds": report.total,
        "recoveryPointSeconds": point,
        "objectives": objectives,
        "notes": report.notes,
    }


def judge(recovery_time: float, recovery_point: float | None) -> list[dict[str, Any]]:
    """Each objective of the manual, what was measured, and whether it was met. Without a backup there is no point."""
    times = [(name, limit, recovery_time) for name, limit in RECOVERY_TIME.items()]
    points = [(name, limit, recovery_point) for name, limit in RECOVERY_POINT.items() if recovery_point is not None]
    return [
        {"objective": name, "limitSeconds": limit, "measuredSeconds": measured, "ok": measured < limit}
        for name, limit, measured in [*times, *points]
    ]


def _recovery_point(store: Store) -> float | None:
    newest = service.newest_restorable(store.list())
    return None if newest is None else round((utcnow() - newest.snapshot.taken_at).total_seconds(), 3)
