"""Reads over the board's views.

Views hold ids and sums; ranks, names, badges and counts are found for the rows of one page. Who was erased, opted out
or promoted since the last refresh is left out at once; ranks and the number of participants stay those of the refresh.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

HIGHEST = 2**63 - 1
STATUSES = ("PENDING", "APPROVED", "REJECTED", "WITHDRAWN", "REVOKED")
NO_VERSION = "0"
"""Version of a board that has never been refreshed."""


class Period(StrEnum):
    """All time, or the last 30 x 24 hours by recording time."""

    ALL = "all"
    LAST_30_DAYS = "30d"

    @property
    def view(self) -> str:
        return "leaderboard_totals" if self is Period.ALL else "leaderboard_30d"


@dataclass(frozen=True, slots=True)
class BoardState:
    """The board as its last successful refresh left it; `as_of` is when that refresh started."""

    as_of: datetime | None
    version: str
    participants: int


@dataclass(frozen=True, slots=True)
class Filters:
    """Exact cohort and school, and a text to find in name, handle or school; None does not filter."""

    cohort: str | None = None
    school: str | None = None
    search: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A position in board order: points descending, then who reached them first, then id."""

    points: int
    reached_at: datetime
    user_id: str


@dataclass(frozen=True, slots=True)
class BoardRow:
    rank: int
    user_id: str
    handle: str
    name: str
    avatar_url: str | None
    school: str | None
    cohort: str | None
    points: int
    reached_at: datetime
    public_submissions: int
    badges: list[str] = field(default_factory=list)

    @property
    def place(self) -> Place:
        return Place(self.points, self.reached_at, self.user_id)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one person stands. `rank` and `place` are None for who has no points or is no PARTICIPANT.

    Who is on the board stands there with the points of its last refresh. Who is not (opted out, or newly with points)
    is placed where the points of the ledger would stand, and counts as one more.
    """

    rank: int | None
    points: int
    of: int
    place: Place | None


@dataclass(frozen=True, slots=True)
class StageFigures:
    """One stage's row of `activity_metrics`."""

    activity_code: str
    statuses: dict[str, int]
    total_points: int
    people_with_points: int
    peers_reached: int
    students_reached: int
    micro_credentials: int


@dataclass(frozen=True, slots=True)
class ProgrammeFigures:
    """Every stage in the programme's order; `as_of` as for a board."""

    as_of: datetime | None
    stages: list[StageFigures]


async def board_state(session: AsyncSession, period: Period) -> BoardState:
    row = (await session.execute(text(_STATE.format(view=period.view)), {"view": period.view})).one()
    return BoardState(row.as_of, row.fingerprint or NO_VERSION, row.participants)


async def board_rows(
    session: AsyncSession,
    period: Period,
    *,
    limit: int,
    filters: Filters | None = None,
    after: Place | None = None,
    upwards: bool = False,
) -> list[BoardRow]:
    """Up to `limit` rows of the board, nearest first, from the top or beyond a place: below it, or above `upwards`."""
    filters = filters or Filters()
    parameters: dict[str, Any] = {"limit": limit}
    conditions = [_VISIBLE]
    if filters.cohort is not None:
        conditions.append("b.cohort = :cohort")
        parameters["cohort"] = filters.cohort
    if filters.school is not None:
        conditions.append("b.school = :school")
        parameters["school"] = filters.school
    if filters.search is not None:
        conditions.append("(u.name ILIKE :search OR u.handle ILIKE :search OR b.school ILIKE :search)")
        parameters["search"] = f"%{escape_like(filters.search)}%"
    if after is not None:
        parameters |= {"points": after.points, "reached_at": after.reached_at, "user_id": after.user_id}
    page = _page_sql(period.view, " AND ".join(conditions), beyond=after is not None, upwards=upwards)
    sql = _RANKED.format(page=page, view=period.view, order=_order("p", upwards=upwards))
    return [BoardRow(**row) for row in (await session.execute(text(sql), parameters)).mappings()]


async def standing(session: AsyncSession, person: str, period: Period) -> Standing:
    """Find a person's standing; a person nobody has heard of stands at 0 points."""
    since = "" if period is Period.ALL else "AND created_at > now() - interval '720 hours'"
    sql = text(_STANDING.format(view=period.view, since=since))
    row = (await session.execute(sql, {"person": person})).one()
    if row.rank is None:
        return Standing(None, row.points, row.participants, None)
    of = row.participants + (0 if row.on_board else 1)
    return Standing(row.rank, row.points, of, Place(row.points, row.reached_at, person))


async def programme_figures(session: AsyncSession) -> ProgrammeFigures:
    as_of: datetime | None = await session.scalar(text(_FIGURES_AS_OF))
    rows = (await session.execute(text(_FIGURES))).mappings()
    return ProgrammeFigures(as_of, [_stage_figures(dict(row)) for row in rows])


def _stage_figures(row: dict[str, Any]) -> StageFigures:
    return StageFigures(statuses={status: row.pop(status.lower()) for status in STATUSES}, **row)


def escape_like(value: str) -> str:
    r"""`value` as a LIKE pattern that matches nothing but itself (`\` is PostgreSQL's default escape)."""
    return value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _order(alias: str, *, upwards: bool) -> str:
    points, rest = ("", " DESC") if upwards else (" DESC", "")
    return f"{alias}.total_points{points}, {alias}.reached_at{rest}, {alias}.user_id{rest}"


def _page_sql(view: str, where: str, *, beyond: bool, upwards: bool) -> str:
    """Select the page itself. Beyond a place it is the rest of that place's tie, then other points: two index ranges.

    One range with an OR would walk the tie from its start, and most of the country may share one score.
    """
    if not beyond:
        return _part(view, where, upwards=upwards)
    less, more = (">", "<") if upwards else ("<", ">")
    tie = f"{where} AND b.total_points = :points AND (b.reached_at, b.user_id) {more} (:reached_at, :user_id)"
    other = f"{where} AND b.total_points {less} :points"
    parts = " UNION ALL ".join(f"({_part(view, part, upwards=upwards)})" for part in (tie, other))
    return f"SELECT * FROM ({parts}) b ORDER BY {_order('b', upwards=upwards)} LIMIT :limit"


def _part(view: str, where: str, *, upwards: bool) -> str:
    return (
        "SELECT b.user_id, b.total_points, b.reached_at, b.cohort, b.school, u.handle, u.name, u.avatar_url"
        f" FROM {view} b JOIN users u ON u.id = b.user_id WHERE {where}"
        f" ORDER BY {_order('b', upwards=upwards)} LIMIT :limit"
    )


_VISIBLE = "u.erased_at IS NULL AND u.show_on_leaderboard AND u.role = 'PARTICIPANT'"

_STATE = """
SELECT (SELECT count(*) FROM {view}) AS participants, r.started_at AS as_of, r.fingerprint
FROM (SELECT 1) AS one
LEFT JOIN LATERAL (
  SELECT started_at, fingerprint FROM analytics_refreshes
  WHERE view_name = :view AND ok ORDER BY started_at DESC LIMIT 1
) r ON true
"""

# A rank counts the people with more points. Each score of the page counts those between itself and the score above,
# and the sums run on: all ranks of a page, filtered or not, read the index once, down to the lowest score at most.
_RANKED = f"""
WITH page AS MATERIALIZED ({{page}}), steps AS (
  SELECT total_points, lag(total_points, 1, {HIGHEST}) OVER (ORDER BY total_points DESC) AS above
  FROM (SELECT DISTINCT total_points FROM page) AS scores
), ranks AS (
  SELECT total_points, (1 + sum(people) OVER (ORDER BY total_points DESC))::bigint AS rank
  FROM steps s CROSS JOIN LATERAL (
    SELECT count(*) AS people FROM {{view}} b WHERE b.total_points > s.total_points AND b.total_points <= s.above
  ) AS between_them
)
SELECT r.rank, p.user_id, p.handle, p.name, p.avatar_url, p.school, p.cohort, p.total_points AS points, p.reached_at,
       (SELECT count(*) FROM submissions s
        WHERE s.user_id = p.user_id AND s.status = 'APPROVED' AND s.visibility = 'PUBLIC') AS public_submissions,
       ARRAY(SELECT e.badge_code FROM earned_badges e WHERE e.user_id = p.user_id
             ORDER BY e.earned_at, e.badge_code) AS badges
FROM page p JOIN ranks r USING (total_points)
ORDER BY {{order}}
"""

_STANDING = """
SELECT me.points, me.reached_at, me.on_board, (SELECT count(*) FROM {view}) AS participants,
       CASE WHEN me.ranked AND me.points > 0
            THEN 1 + (SELECT count(*) FROM {view} b WHERE b.total_points > me.points) END AS rank
FROM (
  SELECT coalesce(u.role = 'PARTICIPANT' AND u.erased_at IS NULL, false) AS ranked, b.user_id IS NOT NULL AS on_board,
         coalesce(b.total_points, l.points, 0) AS points, coalesce(b.reached_at, l.reached_at) AS reached_at
  FROM (SELECT 1) AS one
  LEFT JOIN users u ON u.id = :person
  LEFT JOIN {view} b ON b.user_id = :person
  LEFT JOIN LATERAL (
    SELECT sum(delta_points)::bigint AS points, max(created_at) AS reached_at
    FROM points_ledger WHERE user_id = :person {since}
  ) l ON b.user_id IS NULL
) me
"""

_FIGURES_AS_OF = """
SELECT started_at FROM analytics_refreshes
WHERE view_name = 'activity_metrics' AND ok ORDER BY started_at DESC LIMIT 1
"""

_FIGURES = """
SELECT m.activity_code, m.pending, m.approved, m.rejected, m.withdrawn, m.revoked, m.total_points,
       m.people_with_points, m.peers_reached, m.students_reached, m.micro_credentials
FROM activity_metrics m LEFT JOIN activities a ON a.code = m.activity_code
ORDER BY a.position, m.activity_code
"""
