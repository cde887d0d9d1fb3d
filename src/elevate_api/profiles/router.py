from typing import Annotated, Any

from fastapi import Header, Path, Response

from elevate_api.kit.db import Tx
from elevate_api.kit.etag import cache_control, conditional
from elevate_api.kit.problems import NotFound, responses
from elevate_api.kit.routing import Router
from elevate_api.profiles import service
from elevate_api.profiles.schemas import DashboardOut, ProfileOut
from elevate_api.users.guards import CurrentUser

PROFILE_MAX_AGE = 30
"""Seconds a cache may answer by itself."""

router = Router(prefix="/api")

_ANSWERS: dict[int | str, dict[str, Any]] = {
    304: {"description": "The client's copy still holds."},
    **responses(NotFound),
}


@router.get("/profiles/{handle}", response_model=ProfileOut, responses=_ANSWERS, tags=["public"])
async def read_profile(
    session: Tx,
    handle: Annotated[str, Path(examples=["siti-rahma"])],
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """A person's public profile: points, rank, badges, and the approved submissions that they show."""
    body = (await service.profile(session, handle)).model_dump_json().encode()
    return conditional(if_none_match, body, cache=cache_control(max_age=PROFILE_MAX_AGE))


@router.get("/me/dashboard", tags=["me"])
async def read_dashboard(session: Tx, user: CurrentUser) -> DashboardOut:
    """Where you stand: every stage, points, rank, badges, and what AMPLIFY may still name this week."""
    return await service.dashboard(session, user.id)
