"""What the board's readers are told, put together from its reads. Each function is one answer."""

from datetime import datetime
from typing import Any

from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.kit.paging import PageParams, cut
from elevate_api.kit.work import UnitOfWork
from elevate_api.leaderboards import queries
from elevate_api.leaderboards.board import BoardRow, Filters, read_board
from elevate_api.leaderboards.ladder import Ladders
from elevate_api.leaderboards.queries import Period, Place
from elevate_api.leaderboards.rank import Neighbour, Standings
from elevate_api.leaderboards.schemas import BoardEntryOut, LeaderboardOut, ProgrammeStatsOut
from elevate_api.users.caller import Caller


async def board_page(
    work: UnitOfWork, ladders: Ladders, period: Period, filters: Filters, page: PageParams
) -> LeaderboardOut:
    """Raises ValidationFailed for a cursor that no page gave out."""
    key = page.after(int, datetime, str)
    after = None if key is None else Place(*key)
    board = await read_board(work, ladders, period, limit=page.fetch, filters=filters, after=after)
    shown, next_cursor = cut(board.rows, page.limit, lambda row: (row.points, row.reached_at, row.user_id))
    return LeaderboardOut(
        period=period,
        as_of=board.as_of,
        version=board.version,
        total_participants=board.participants,
        items=[_entry(row) for row in shown],
        next_cursor=next_cursor,
    )


async def own_rank(work: UnitOfWork, caller: Caller, period: Period, standings: Standings) -> bytes:
    """An `OwnRankOut` as it is sent; raises what keeps the caller out.

    Written at once, as the people who ask this are many: a model would judge anew what the database has just said.
    """
    standing = await standings.own(work, caller, period)
    return to_json(
        {
            "period": period,
            "asOf": standing.as_of,
            "rank": standing.rank,
            "points": standing.points,
            "of": standing.of,
            "above": [_neighbour(near) for near in reversed(standing.above)],
            "below": [_neighbour(near) for near in standing.below],
        }
    )


async def programme_stats(session: AsyncSession) -> ProgrammeStatsOut:
    figures = await queries.programme_figures(session)
    stages = {stage.activity_code: stage for stage in figures.stages}
    learn, present = stages.get("LEARN"), stages.get("PRESENT")
    return ProgrammeStatsOut(
        educators_learning=learn.people_with_points if learn else 0,
        peers_reached=sum(stage.peers_reached for stage in figures.stages),
        students_reached=sum(stage.students_reached for stage in figures.stages),
        stories_shared=present.statuses["APPROVED"] if present else 0,
        micro_credentials=sum(stage.micro_credentials for stage in figures.stages),
        submissions_by_status={
            status: sum(stage.statuses[status] for stage in figures.stages) for status in queries.STATUSES
        },
        points_by_activity={stage.activity_code: stage.total_points for stage in figures.stages},
        as_of=figures.as_of,
    )


def _entry(row: BoardRow) -> BoardEntryOut:
    return BoardEntryOut(
        rank=row.rank,
        handle=row.handle,
        name=row.name,
        avatar_url=row.avatar_url,
        school=row.school,
        cohort=row.cohort,
        points=row.points,
        public_submissions=row.public_submissions,
        badges=row.badges,
        last_activity_at=row.reached_at,
    )


def _neighbour(near: Neighbour) -> dict[str, Any]:
    return {
        "rank": near.rank,
        "handle": near.handle,
        "name": near.name,
        "avatarUrl": near.avatar_url,
        "points": near.points,
    }
