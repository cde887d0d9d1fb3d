"""The cron service's way to the daily check."""

from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from elevate_api.analytics.schemas import RunningOut
from elevate_api.auth.machines import CRON_PROBLEMS, CronCaller
from elevate_api.kit.db import database_of
from elevate_api.kit.jobs import JobNotObserved
from elevate_api.kit.problems import DatabaseUnavailable, responses
from elevate_api.kit.routing import Router
from elevate_api.ops.invariants import service
from elevate_api.ops.schemas import DailyHealthOut

router = Router(prefix="/api/cron", tags=["machines"], dependencies=[CronCaller])

_ANSWERS: dict[int | str, dict[str, Any]] = {
    **responses(*CRON_PROBLEMS),
    202: {"model": RunningOut, "description": "Another call is checking already; this is its run."},
    500: {"model": DailyHealthOut, "description": "A check could not be run; the others were."},
}


@router.post("/daily-health", response_model=DailyHealthOut, responses=_ANSWERS)
async def daily_health(request: Request) -> Response:
    """Run every data quality check and keep the results; overlapping calls are harmless. Findings are no failure."""
    try:
        result = await service.run(database_of(request), "cron")
    except JobNotObserved as error:
        raise DatabaseUnavailable("A check is about to start elsewhere. Try again shortly.") from error
    if result.outcome is None:
        running = RunningOut(job_id=result.job_id, running=True)
        return JSONResponse(running.model_dump(mode="json"), 202)
    found = DailyHealthOut.model_validate({"jobId": result.job_id, "checks": result.outcome["checks"]})
    failed = any("error" in one for one in result.outcome["checks"])
    return JSONResponse(found.model_dump(mode="json", exclude_unset=True), 500 if failed else 200)


@router.get("/daily-health", response_model=DailyHealthOut, responses=_ANSWERS)
async def daily_health_by_get(request: Request) -> Response:
    """The same, for cron services that can only GET."""
    return await daily_health(request)
