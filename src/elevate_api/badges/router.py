from typing import Annotated

from fastapi import Header, Response

from elevate_api.badges.repository import BadgeRepository
from elevate_api.badges.schemas import BadgeOut
from elevate_api.kit.db import Tx
from elevate_api.kit.etag import cache_control, conditional
from elevate_api.kit.paging import Page
from elevate_api.kit.routing import Router

router = Router(prefix="/api/badges", tags=["public"])


@router.get("", response_model=Page[BadgeOut])
async def list_badges(session: Tx, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """The badges that can be earned; one page."""
    found = [BadgeOut.model_validate(badge) for badge in await BadgeRepository(session).all() if badge.active]
    body = Page(items=found, next_cursor=None).model_dump_json().encode()
    return conditional(if_none_match, body, cache=cache_control(max_age=300))
