"""The cron service's way to the refresh."""

from typing import Any

from fastapi import Request, Response

from elevate_api.analytics import service
from elevate_api.analytics.answers import answer
from elevate_api.analytics.schemas import RefreshOut, RunningOut
from elevate_api.auth.machines import CRON_PROBLEMS, CronCaller
from elevate_api.kit.db import database_of
from elevate_api.kit.jobs import JobNotObserved
from elevate_api.kit.problems import DatabaseUnavailable, responses
from elevate_api.kit.routing import Router

router = Router(prefix="/api/cron", tags=["machines"], dependencies=[CronCaller])

_ANSWERS: dict[int | str, dict[str, Any]] = {
    **responses(*CRON_PROBLEMS),
    202: {"model": RunningOut, "description": "Another call is refreshing already; this is its run."},
    500: {"model": RefreshOut, "description": "A view could not be refreshed; the others were."},
}


@router.post("/refresh-analytics", response_model=RefreshOut, responses=_ANSWERS)
async def refresh_analytics(request: Request) -> Response:
    """Refresh every analytics view; overlapping calls are harmless."""
    try:
        result = await service.refresh(database_of(request), "cron")
    except JobNotObserved as error:
        raise DatabaseUnavailable("A refresh is about to start elsewhere. Try again shortly.") from error
    return answer(result)


@router.get("/refresh-analytics", response_model=RefreshOut, responses=_ANSWERS)
async def refresh_analytics_by_get(request: Request) -> Response:
    """The same, for cron services that can only GET."""
    return await refresh_analytics(request)
