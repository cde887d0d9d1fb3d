"""The live board."""

from typing import Annotated, Any

from fastapi import Header, Query, Request, Response

from elevate_api.kit.ratelimit import address_of
from elevate_api.kit.routing import Router
from elevate_api.kit.streams import EventStream
from elevate_api.leaderboards.feed import BoardFeed
from elevate_api.leaderboards.queries import Period

router = Router(prefix="/api/leaderboard", tags=["public"])

_EXAMPLE = 'id: 4f2a\nevent: board\ndata: {"version":"4f2a","asOf":"2025-01-31T08:00:00Z"}\n\n'
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events `board` with `{version, asOf}`: one at the start unless it is the one that "
        "Last-Event-ID names, then one after each refresh that changed the board; comments as heartbeats.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}


@router.get("/stream", response_class=Response, responses=_STREAM)
async def stream_board(
    request: Request,
    period: Annotated[Period, Query(description="The board of `all` time, or of the last 30 x 24 hours.")] = Period.ALL,
    last_event_id: Annotated[str | None, Header(max_length=200, description="`id` of the last event seen.")] = None,
) -> Response:
    """Hear of each new version of the board; read it from `GET /api/leaderboard`."""
    feed: BoardFeed = request.app.state.board_feed
    address = address_of(request.scope)
    feed.admit(address)
    return EventStream(feed.events(period, last_event_id, address))
