"""What the board's readers are told, put together from its reads. Each function is one answer."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.kit.paging import PageParams, cut
from elevate_api.leaderboards import queries
from elevate_api.leaderboards.queries import BoardRow, Filters, Period, Place
from elevate_api.leaderboards.schemas import BoardEntryOut, LeaderboardOut, NeighbourOut, OwnRankOut, ProgrammeStatsOut

NEIGHBOURS = 2
"""People shown on each side of the caller."""


async def board_page(session: AsyncSession, period: Period, filters: Filters, page: PageParams) -> LeaderboardOut:
    """Raises ValidationFailed for a cursor that no page gave out."""
    key = page.after(int, datetime, str)
    # The state first: a refresh between the two reads makes the answer newer than it says, never older.
    state = await queries.board_state(session, period)
    rows = await queries.board_rows(
        session, period, limit=page.fetch, filters=filters, after=None if key is None else Place(*key)
    )
    shown, next_cursor = cut(rows, page.limit, lambda row: (row.points, row.reached_at, row.user_id))
    return LeaderboardOut(
        period=period,
        as_of=state.as_of,
        version=state.version,
        total_participants=state.participants,
        items=[_entry(row) for row in shown],
        next_cursor=next_cursor,
    )


async def own_rank(session: AsyncSession, person: str, period: Period) -> OwnRankOut:
    state = await queries.board_state(session, period)
    standing = await queries.standing(session, person, period)
    above: list[BoardRow] = []
    below: list[BoardRow] = []
    if standing.place is not None:
        above = await queries.board_rows(session, period, limit=NEIGHBOURS, after=standing.place, upwards=True)
        below = await queries.board_rows(session, period, limit=NEIGHBOURS, after=standing.place)
    return OwnRankOut(
        period=period,
        as_of=state.as_of,
        rank=standing.rank,
        points=standing.points,
        of=standing.of,
        above=[_neighbour(row) for row in reversed(above)],
        below=[_neighbour(row) for row in below],
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


def _neighbour(row: BoardRow) -> NeighbourOut:
    return NeighbourOut(rank=row.rank, handle=row.handle, name=row.name, avatar_url=row.avatar_url, points=row.points)
