"""What administrators see of backups; making and restoring them is for the command line."""

from typing import Annotated, Any

from fastapi import Query

from elevate_api.backups import drill, queries, service
from elevate_api.backups.schemas import BackupsOut, DrillOut, RunOut
from elevate_api.kit.db import Tx
from elevate_api.kit.jobs import JobRun
from elevate_api.kit.routing import Router
from elevate_api.users.guards import AdminUser

router = Router(prefix="/api/admin/ops", tags=["admin"])

Limit = Annotated[int, Query(ge=1, le=100, description="How many of each.")]


@router.get("/backups")
async def backups(tx: Tx, _: AdminUser, limit: Limit = 20) -> BackupsOut:
    """History of backups and of drills."""
    made = await queries.runs(tx, service.JOB, limit)
    drills = await queries.runs(tx, drill.JOB, limit)
    return BackupsOut(
        backups=[RunOut.model_validate(_run(run)) for run in made],
        drills=[DrillOut.model_validate(_drill(run)) for run in drills],
    )


def _run(run: JobRun) -> dict[str, Any]:
    outcome = run.outcome or {}
    kept = ("backup", "kind", "takenAt", "sizeBytes", "encrypted", "ledgerRows")
    return {
        "jobId": run.id,
        "triggeredBy": run.triggered_by,
        "startedAt": run.started_at,
        "finishedAt": run.finished_at,
        "ok": run.ok,
        "error": run.error,
        **{name: outcome.get(name) for name in kept},
    }


def _drill(run: JobRun) -> dict[str, Any]:
    outcome = run.outcome or {}
    return {
        **_run(run),
        "steps": outcome.get("steps", {}),
        "recoveryTimeSeconds": outcome.get("recoveryTimeSeconds"),
        "recoveryPointSeconds": outcome.get("recoveryPointSeconds"),
        "objectives": outcome.get("objectives", []),
        "notes": outcome.get("notes", []),
    }
