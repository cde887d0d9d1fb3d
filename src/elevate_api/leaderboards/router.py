"""The board, a person's own rank, and the public figures."""

from typing import Annotated, Any

from fastapi import Header, Query, Request, Response

from elevate_api.kit.etag import cache_control, conditional
from elevate_api.kit.paging import Paging, link_next
from elevate_api.kit.replica import ReadTx
from elevate_api.kit.routing import Router
from elevate_api.kit.work import Writes
from elevate_api.leaderboards import service
from elevate_api.leaderboards.board import Filters
from elevate_api.leaderboards.queries import Period
from elevate_api.leaderboards.schemas import LeaderboardOut, OwnRankOut, ProgrammeStatsOut
from elevate_api.users.guards import ParticipantCaller

BOARD_MAX_AGE = 10
STATS_MAX_AGE = 60
"""Seconds a cache may answer by itself. Short for the board: who is erased or opts out is to disappear at once."""

router = Router(prefix="/api")

PeriodQuery = Annotated[Period, Query(description="`all` time, or the last 30 x 24 hours (`30d`).")]
Cohort = Annotated[str, Query(max_length=200, description="Only this cohort; empty for all.")]
School = Annotated[str, Query(max_length=200, description="Only this school; empty for all.")]
Search = Annotated[str, Query(max_length=100, description="Part of a name, handle or school, in any case.")]
IfNoneMatch = Annotated[str | None, Header(description="The ETag that the client has; 304 when it still holds.")]

NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "The client's copy still holds."}}


@router.get("/leaderboard", response_model=LeaderboardOut, tags=["public"], responses=NOT_MODIFIED)
async def read_leaderboard(
    request: Request,
    work: Writes,
    page: Paging,
    period: PeriodQuery = Period.ALL,
    cohort: Cohort = "",
    school: School = "",
    search: Search = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The board of educators, best first; filters choose rows and change no rank."""
    filters = Filters(cohort.strip() or None, school.strip() or None, search.strip() or None)
    board = await service.board_page(work, request.app.state.ladders, period, filters, page)
    body = board.model_dump_json().encode()
    response = conditional(if_none_match, body, cache=cache_control(max_age=BOARD_MAX_AGE))
    link_next(request, response, board.next_cursor)
    return response


@router.get("/stats", response_model=ProgrammeStatsOut, tags=["public"], responses=NOT_MODIFIED)
async def read_stats(session: ReadTx, if_none_match: IfNoneMatch = None) -> Response:
    """What the programme has reached so far."""
    stats = await service.programme_stats(session)
    return conditional(if_none_match, stats.model_dump_json().encode(), cache=cache_control(max_age=STATS_MAX_AGE))


@router.get("/me/rank", response_model=OwnRankOut, tags=["points"])
async def read_own_rank(
    request: Request, work: Writes, caller: ParticipantCaller, period: PeriodQuery = Period.ALL
) -> Response:
    """The caller's rank, with the people just above and below."""
    own = await service.own_rank(work, caller, period, request.app.state.standings)
    return Response(own, media_type="application/json")
