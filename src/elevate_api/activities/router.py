from typing import Annotated

from fastapi import Header, Response

from elevate_api.activities.repository import ActivityRepository
from elevate_api.activities.schemas import ActivityOut
from elevate_api.kit.db import Tx
from elevate_api.kit.etag import cache_control, conditional
from elevate_api.kit.paging import Page
from elevate_api.kit.routing import Router

router = Router(prefix="/api/activities", tags=["public"])


@router.get("", response_model=Page[ActivityOut])
async def list_activities(session: Tx, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """The stages of LEAPS and what they are worth, in the order of the programme; one page."""
    found = [ActivityOut.model_validate(activity) for activity in await ActivityRepository(session).all()]
    body = Page(items=found, next_cursor=None).model_dump_json().encode()
    return conditional(if_none_match, body, cache=cache_control(max_age=300))
