"""Reads over the totals: the board, standings, the programme's figures.

The totals hold ids and sums, folded every second; ranks come from the histogram of scores, names, badges and counts
are found for the rows of one page. Who was erased, opted out or promoted since the last fold is left out at once;
ranks and the number of participants stay those of the fold.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

HIGHEST = 2**63 - 1
STATUSES = ("PENDING", "APPROVED", "REJECTED", "WITHDRAWN", "REVOKED")
WALKED = 4000
"""Places of the board that a search looks through before it asks the index of names: a word that one person in 200
bears fills a page from there, a rarer one has few enough people to be sorted."""


class Period(StrEnum):
    """All time, or the last 30 x 24 hours by recording time."""

    ALL = "all"
    LAST_30_DAYS = "30d"

    @property
    def view(self) -> str:
        """The view that holds this board as of its last refresh, for exports."""
        return "leaderboard_totals" if self is Period.ALL else "leaderboard_30d"

    @property
    def points(self) -> str:
        """The column of the totals that this board is ordered by."""
        return "total_points" if self is Period.ALL else "points_30d"

    @property
    def version(self) -> str:
        """The column of the totals' state that a change of this board raises."""
        return "version_all" if self is Period.ALL else "version_30d"


@dataclass(frozen=True, slots=True)
class BoardState:
    """The board as the last fold left it; `as_of` is when a fold started that found it so."""

    as_of: datetime
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

    Who is on the board stands there with the points of the last fold. Who is not (opted out, or newly with points)
    is placed where the points of the ledger would stand, and counts as one more.
    """

    rank: int | None
    points: int
    of: int
    place: Place | None


@dataclass(frozen=True, slots=True)
class StageFigures:
    """One stage's row of `stage_totals`."""

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

    as_of: datetime
    stages: list[StageFigures]


async def board_state(session: AsyncSession, period: Period) -> BoardState:
    row = (await session.execute(text(_STATE.format(version=period.version)), {"period": period})).one()
    return BoardState(row.as_of, str(row.version), row.participants)


async def board_rows(
    session: AsyncSession,
    period: Period,
    *,
    limit: int,
    filters: Filters | None = None,
    after: Place | None = None,
) -> list[BoardRow]:
    """Up to `limit` rows of the board, best first, from the top or below a place."""
    filters = filters or Filters()
    parameters: dict[str, Any] = {"limit": limit, "period": period}
    conditions = []
    for column in ("cohort", "school"):
        value = getattr(filters, column)
        if value is not None:
            conditions.append(f"b.{column} = :{column}")
            parameters[column] = value
    if after is not None:
        parameters |= {"points": after.points, "reached_at": after.reached_at, "user_id": after.user_id}
    pages = Pages(period, tuple(conditions), beyond=after is not None)
    if filters.search is None:
        return await _ranked(session, pages.page(), parameters)
    parameters |= {"search": f"%{escape_like(filters.search)}%", "walked": WALKED}
    return await _found(session, pages, parameters, limit)


async def _found(session: AsyncSession, pages: "Pages", parameters: dict[str, Any], limit: int) -> list[BoardRow]:
    """A common word is found by looking down the board, a rare one by the index of names; both find all there are."""
    # Only the pattern itself tells which plan is good, so none is kept.
    await session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    rows = await _ranked(session, pages.walked(), parameters)
    if len(rows) == limit:
        return rows
    return await _ranked(session, pages.searched(), parameters)


async def _ranked(session: AsyncSession, page: str, parameters: dict[str, Any]) -> list[BoardRow]:
    found = (await session.execute(text(_RANKED.format(page=page)), parameters)).mappings()
    return [BoardRow(**row) for row in found]


async def standing(session: AsyncSession, person: str, period: Period) -> Standing:
    """Find a person's standing; a person nobody has heard of stands at 0 points."""
    row = (await session.execute(text(_STANDING.format(**standing_parts(period))), {"person": person})).one()
    if row.rank is None:
        return Standing(None, row.points, row.participants, None)
    of = row.participants + (0 if row.on_board else 1)
    return Standing(row.rank, row.points, of, Place(row.points, row.reached_at, person))


def standing_parts(period: Period) -> dict[str, str]:
    since = "" if period is Period.ALL else "AND created_at > now() - interval '720 hours'"
    return {"points": period.points, "period": period.value, "since": since}


async def programme_figures(session: AsyncSession) -> ProgrammeFigures:
    rows = [dict(row) for row in (await session.execute(text(_FIGURES))).mappings()]
    as_of = [row.pop("as_of") for row in rows]
    return ProgrammeFigures(as_of[0], [_stage_figures(row) for row in rows if row["activity_code"] is not None])


def _stage_figures(row: dict[str, Any]) -> StageFigures:
    return StageFigures(statuses={status: row.pop(status.lower()) for status in STATUSES}, **row)


def escape_like(value: str) -> str:
    r"""`value` as a LIKE pattern that matches nothing but itself (`\` is PostgreSQL's default escape)."""
    return value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


VISIBLE = "u.erased_at IS NULL AND u.show_on_leaderboard AND u.role = 'PARTICIPANT'"
_PERSON = "u.handle, u.name, u.avatar_url"
_ORDER = "b.total_points DESC, b.reached_at, b.user_id"
_MATCHES = "(u.name ILIKE :search OR u.handle ILIKE :search OR u.school ILIKE :search)"
# What the two trigram indexes answer. The first also finds e-mail addresses, which _MATCHES refuses again.
_INDEXED = (
    """(user_search_text(u.name, u.handle, u.email) LIKE lower(:search) OR lower(u.school) LIKE lower(:search))"""
)


@dataclass(frozen=True, slots=True)
class Pages:
    """SQL of a page of one board: `conditions` on its rows `b`, from the top or `beyond` a place."""

    period: Period
    conditions: tuple[str, ...]
    beyond: bool

    def page(self) -> str:
        """By the index of the board, of a cohort or of a school."""
        return self._ordered(self._rows("user_totals b JOIN users u ON u.id = b.user_id", VISIBLE, ":limit"))

    def walked(self) -> str:
        """What matches among the next WALKED places."""
        places = self._ordered(self._rows("user_totals b", "true", ":walked", person=""), limit=":walked")
        return f"""
            SELECT b.user_id, b.total_points, b.reached_at, b.cohort, b.school, {_PERSON}
            FROM ({places} OFFSET 0) b JOIN users u ON u.id = b.user_id
            WHERE {VISIBLE} AND {_MATCHES} ORDER BY {_ORDER} LIMIT :limit"""

    def searched(self) -> str:
        """What matches anywhere: people first, by index, then their places."""
        people = f"(SELECT * FROM users u WHERE {_INDEXED} OFFSET 0) u"
        found = f"{people} JOIN user_totals b ON b.user_id = u.id"
        return self._ordered(self._rows(found, f"{VISIBLE} AND {_MATCHES}", ":limit"))

    def _rows(self, source: str, condition: str, limit: str, *, person: str = f", {_PERSON}") -> list[str]:
        """One index range from the top; beyond a place two: the rest of that place's tie, then fewer points.

        One range with an OR would walk the tie from its start, and most of the country may share one score.
        """
        points = f"b.{self.period.points}"
        where = " AND ".join([f"b.on_board AND {points} > 0", condition, *self.conditions])
        ranges = ["true"]
        if self.beyond:
            tie = f"{points} = :points AND (b.reached_at, b.user_id) > (:reached_at, :user_id)"
            ranges = [tie, f"{points} < :points"]
        return [
            f"SELECT b.user_id, {points} AS total_points, b.reached_at, b.cohort, b.school{person}"
            f" FROM {source} WHERE {where} AND {part} ORDER BY {points} DESC, b.reached_at, b.user_id LIMIT {limit}"
            for part in ranges
        ]

    def _ordered(self, parts: list[str], limit: str = ":limit") -> str:
        if len(parts) == 1:
            return parts[0]
        union = " UNION ALL ".join(f"({part})" for part in parts)
        return f"SELECT * FROM ({union}) b ORDER BY {_ORDER} LIMIT {limit}"


_STATE = """
SELECT s.as_of, s.{version} AS version,
       (SELECT coalesce(sum(people), 0)::bigint FROM score_histogram WHERE period = :period) AS participants
FROM totals_state s
"""

# A rank counts the people with more points. Each score of the page counts those between itself and the score above,
# and the sums run on: all ranks of a page, filtered or not, read the histogram once, down to the lowest at most.
_RANKED = f"""
WITH page AS MATERIALIZED ({{page}}), steps AS (
  SELECT total_points, lag(total_points, 1, {HIGHEST}) OVER (ORDER BY total_points DESC) AS above
  FROM (SELECT DISTINCT total_points FROM page) AS scores
), ranks AS (
  SELECT total_points, (1 + sum(people) OVER (ORDER BY total_points DESC))::bigint AS rank
  FROM steps s CROSS JOIN LATERAL (
    SELECT coalesce(sum(h.people), 0) AS people FROM score_histogram h
    WHERE h.period = :period AND h.points > s.total_points AND h.points <= s.above
  ) AS between_them
)
SELECT r.rank, b.user_id, b.handle, b.name, b.avatar_url, b.school, b.cohort, b.total_points AS points, b.reached_at,
       (SELECT count(*) FROM submissions s
        WHERE s.user_id = b.user_id AND s.status = 'APPROVED' AND s.visibility = 'PUBLIC') AS public_submissions,
       ARRAY(SELECT e.badge_code FROM earned_badges e WHERE e.user_id = b.user_id
             ORDER BY e.earned_at, e.badge_code) AS badges
FROM page b JOIN ranks r USING (total_points)
ORDER BY {_ORDER}
"""

_STANDING = """
SELECT me.points, me.reached_at, me.on_board,
       (SELECT coalesce(sum(people), 0)::bigint FROM score_histogram WHERE period = '{period}') AS participants,
       CASE WHEN me.ranked AND me.points > 0 THEN 1 + (
         SELECT coalesce(sum(people), 0)::bigint FROM score_histogram WHERE period = '{period}' AND points > me.points
       ) END AS rank
FROM (
  SELECT coalesce(u.role = 'PARTICIPANT' AND u.erased_at IS NULL, false) AS ranked, b.user_id IS NOT NULL AS on_board,
         coalesce(b.{points}, l.points, 0) AS points, coalesce(b.reached_at, l.reached_at) AS reached_at
  FROM (SELECT 1) AS one
  LEFT JOIN users u ON u.id = :person
  LEFT JOIN user_totals b ON b.user_id = :person AND b.on_board AND b.{points} > 0
  LEFT JOIN LATERAL (
    SELECT sum(delta_points)::bigint AS points, max(created_at) AS reached_at
    FROM points_ledger WHERE user_id = :person AND b.user_id IS NULL {since}
  ) l ON true
) me
"""

_FIGURES = """
SELECT s.as_of, a.code AS activity_code, coalesce(t.pending, 0) AS pending, coalesce(t.approved, 0) AS approved,
       coalesce(t.rejected, 0) AS rejected, coalesce(t.withdrawn, 0) AS withdrawn, coalesce(t.revoked, 0) AS revoked,
       coalesce(t.points, 0) AS total_points, coalesce(t.people_with_points, 0) AS people_with_points,
       coalesce(t.peers_reached, 0) AS peers_reached, coalesce(t.students_reached, 0) AS students_reached,
       coalesce(t.micro_credentials, 0) AS micro_credentials
FROM totals_state s LEFT JOIN activities a ON true LEFT JOIN stage_totals t ON t.activity_code = a.code
ORDER BY a.position, a.code
"""
