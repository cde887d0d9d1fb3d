"""For orchestrators and uptime checkers, which may send HEAD first. What GET is documented for holds for HEAD too."""

from typing import Any, cast

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from elevate_api.health.schemas import HealthOut, LiveOut, ReadyOut, UnhealthyOut
from elevate_api.health.service import HealthMonitor
from elevate_api.kit.routing import Router
from elevate_api.kit.schemas import Schema

router = Router(tags=["health"])

_NOT_READY: dict[int | str, dict[str, Any]] = {503: {"model": ReadyOut, "description": "Traffic should not come."}}
_UNHEALTHY: dict[int | str, dict[str, Any]] = {
    503: {"model": UnhealthyOut, "description": "The database cannot be used."}
}


def monitor_of(request: Request) -> HealthMonitor:
    return cast("HealthMonitor", request.app.state.health)


@router.head("/health/live", include_in_schema=False)
@router.get("/health/live", response_model=LiveOut)
async def live(request: Request) -> Response:
    """The process answers; says nothing about the database."""
    return _answer(request, 200, LiveOut(status="live"))


@router.head("/health/ready", include_in_schema=False)
@router.get("/health/ready", response_model=ReadyOut, responses=_NOT_READY)
async def ready(request: Request) -> Response:
    """May traffic come: the database answers, and its migrations are at this code's head or ahead of it."""
    return _answer(request, *await monitor_of(request).readiness())


@router.head("/health/database", include_in_schema=False)
@router.head("/api/health/database", include_in_schema=False)
@router.get("/health/database", response_model=HealthOut, responses=_UNHEALTHY)
@router.get("/api/health/database", response_model=HealthOut, responses=_UNHEALTHY)
async def database(request: Request) -> Response:
    """The database, its views, the pool and the scheduler; answers within two seconds whatever the database does."""
    return _answer(request, *await monitor_of(request).report())


def _answer(request: Request, status: int, document: Schema) -> Response:
    response = JSONResponse(document.model_dump(mode="json"), status, {"Cache-Control": "no-store"})
    if request.method == "HEAD":
        response.body = b""  # the headers stay those of GET (RFC 9110, 9.3.2)
    return response
