"""The cron service's way to retention."""

from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from elevate_api.auth.machines import CRON_PROBLEMS, CronCaller
from elevate_api.config import Settings
from elevate_api.kit.db import database_of
from elevate_api.kit.jobs import JobNotObserved
from elevate_api.kit.problems import DatabaseUnavailable, responses
from elevate_api.kit.routing import Router
from elevate_api.retention import service
from elevate_api.retention.schemas import RemovedOut, RetentionOut, RetentionRunningOut

router = Router(prefix="/api/cron", tags=["machines"], dependencies=[CronCaller])

_ANSWERS: dict[int | str, dict[str, Any]] = {
    **responses(*CRON_PROBLEMS),
    202: {"model": RetentionRunningOut, "description": "Another call is removing already; this is its run."},
}


@router.post("/retention", response_model=RetentionOut, responses=_ANSWERS)
async def retention(request: Request) -> Response:
    """Remove what is older than it may get; overlapping calls are harmless."""
    settings: Settings = request.app.state.settings
    try:
        result = await service.run(database_of(request), settings.retention, "cron")
    except JobNotObserved as error:
        raise DatabaseUnavailable("A run is about to start elsewhere. Try again shortly.") from error
    if result.outcome is None:
        return _json(202, RetentionRunningOut(job_id=result.job_id, running=True))
    return _json(200, RetentionOut(job_id=result.job_id, removed=RemovedOut(**result.outcome["removed"])))


@router.get("/retention", response_model=RetentionOut, responses=_ANSWERS)
async def retention_by_get(request: Request) -> Response:
    """The same, for cron services that can only GET."""
    return await retention(request)


def _json(status: int, document: RetentionOut | RetentionRunningOut) -> Response:
    return JSONResponse(document.model_dump(mode="json"), status)
