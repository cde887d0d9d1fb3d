"""Pages of the board.

The totals hold ids and sums, folded every second; ranks come from the scores of the process's ladder, names, badges and
counts are found for the rows of one page. Who was erased, opted out or promoted since the last fold is left out at
once; ranks and the number of participants stay those of the fold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from elevate_api.kit.work import UnitOfWork
from elevate_api.leaderboards.ladder import Ladder, Ladders, ladder_at
from elevate_api.leaderboards.queries import VISIBLE, Period, Place

HIGHEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Filters:
    """Exact cohort and school, and a text to find in name, handle or school; None does not filter."""

    cohort: str | None = None
    school: str | None = None
    search: str | None = None


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
class Board:
    """A page of the board as the last fold left it; `as_of` is when a fold started that found it so."""

    as_of: datetime
    version: str
    participants: int
    rows: list[BoardRow]


async def read_board(
    work: UnitOfWork,
    ladders: Ladders,
    period: Period,
    *,
    limit: int,
    filters: Filters | None = None,
    after: Place | None = None,
) -> Board:
    """Up to `limit` rows of the board, best first, from the top or below a place, in one statement.

    Ranks are those of the ladder of the very version that was read; whoever meets another, and does not fetch the new
    one, asks again with ranks counted by the statement itself (as `rank.own_standing` does).
    """
    chosen, values = _choice(filters or Filters(), after)
    if chosen == SEARCH:
        values = [period.value, limit, *values]
    rows = await work.run(statement(period, chosen, limit, counted=False), *values)
    ladder = await ladder_at(work, ladders, period, rows[0][_VERSION])
    if ladder is None:
        rows = await work.run(statement(period, chosen, limit, counted=True), *values)
    as_of, version, participants, *_ = rows[0]
    found = [_row(row, ladder) for row in rows if row[_USER] is not None]
    return Board(as_of, str(version), participants if ladder is None else ladder.participants, found)


def _row(row: Sequence[Any], ladder: Ladder | None) -> BoardRow:
    rank, *rest = row[_RANK:]
    found = BoardRow(rank, *rest)
    if ladder is None:
        return found
    return BoardRow(ladder.rank(found.points), *rest)


def _choice(filters: Filters, after: Place | None) -> tuple[tuple[str, ...], list[Any]]:
    """Which statement, and its values."""
    place = {} if after is None else {"points": after.points, "reached_at": after.reached_at, "user_id": after.user_id}
    if filters.search is not None:
        names = ("points", "reached_at", "user_id")
        pattern = f"%{escape_like(filters.search)}%"
        return SEARCH, [pattern, filters.cohort, filters.school, *(place.get(name) for name in names)]
    exact = {"cohort": filters.cohort, "school": filters.school}
    chosen: dict[str, Any] = {name: value for name, value in exact.items() if value is not None} | place
    return tuple(chosen), list(chosen.values())


def escape_like(value: str) -> str:
    r"""`value` as a LIKE pattern that matches nothing but itself (`\` is PostgreSQL's default escape)."""
    return value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


@lru_cache(maxsize=256)
def statement(period: Period, chosen: tuple[str, ...], limit: int, *, counted: bool) -> str:
    """`chosen` names the parameters in their order. The limit stands in the text: a plan for any limit is a bad one."""
    page = (
        _SEARCHED if chosen == SEARCH else _page(period, {name: f"${at}" for at, name in enumerate(chosen, 1)}, limit)
    )
    parts = {"page": page, "version": period.version, "period": period.value}
    if counted:
        return _BOARD.format(**parts, **_COUNTED).format(**parts)
    return _BOARD.format(**parts, **_UNCOUNTED)


def _page(period: Period, given: Mapping[str, str], limit: int) -> str:
    """One index range from the top; beyond a place two: the rest of that place's tie, then fewer points.

    One range with an OR would walk the tie from its start, and most of the country may share one score.
    """
    points = f"b.{period.points}"
    filters = [f"b.{column} = {given[column]}" for column in ("cohort", "school") if column in given]
    where = " AND ".join([f"b.on_board AND {points} > 0", VISIBLE, *filters])
    ranges = ["true"]
    if "points" in given:
        tie = (
            f"{points} = {given['points']} AND (b.reached_at, b.user_id) > ({given['reached_at']}, {given['user_id']})"
        )
        ranges = [tie, f"{points} < {given['points']}"]
    parts = [
        f"SELECT b.user_id, {points} AS total_points, b.reached_at, b.cohort, b.school, u.handle, u.name, u.avatar_url"
        f" FROM user_totals b JOIN users u ON u.id = b.user_id"
        f" WHERE {where} AND {part} ORDER BY {points} DESC, b.reached_at, b.user_id LIMIT {limit}"
        for part in ranges
    ]
    if len(parts) == 1:
        return parts[0]
    return f"SELECT * FROM (({parts[0]}) UNION ALL ({parts[1]})) b ORDER BY {_ORDER} LIMIT {limit}"


SEARCH = ("search",)
_SEARCHED = "SELECT * FROM search_board($1, $2, $3, $4, $5, $6, $7, $8)"
_ORDER = "b.total_points DESC, b.reached_at, b.user_id"
_VERSION, _RANK, _USER = 1, 3, 4
"""Columns of the statement."""

_BOARD = """
WITH page AS MATERIALIZED ({page}){ranks}
SELECT s.as_of, s.{version}, {participants} AS participants, {rank} AS rank,
       b.user_id, b.handle, b.name, b.avatar_url, b.school, b.cohort, b.total_points, b.reached_at,
       (SELECT count(*) FROM submissions s
        WHERE s.user_id = b.user_id AND s.status = 'APPROVED' AND s.visibility = 'PUBLIC') AS public_submissions,
       ARRAY(SELECT e.badge_code FROM earned_badges e WHERE e.user_id = b.user_id
             ORDER BY e.earned_at, e.badge_code) AS badges
FROM totals_state s LEFT JOIN page b ON true{ranked}
ORDER BY b.total_points DESC, b.reached_at, b.user_id
"""

_UNCOUNTED = {"participants": "NULL::bigint", "rank": "NULL::bigint", "ranks": "", "ranked": ""}

# A rank counts the people with more points. Each score of the page counts those between itself and the score above,
# and the sums run on: all ranks of a page, filtered or not, read the histogram once, down to the lowest at most.
_COUNTED = {
    "participants": "(SELECT coalesce(sum(people), 0)::bigint FROM score_histogram WHERE period = '{period}')",
    "rank": "r.rank",
    "ranked": " LEFT JOIN ranks r USING (total_points)",
    "ranks": f""", steps AS (
  SELECT total_points, lag(total_points, 1, {HIGHEST}) OVER (ORDER BY total_points DESC) AS above
  FROM (SELECT DISTINCT total_points FROM page) AS scores
), ranks AS MATERIALIZED (
  SELECT total_points, (1 + sum(people) OVER (ORDER BY total_points DESC))::bigint AS rank
  FROM steps s CROSS JOIN LATERAL (
    SELECT coalesce(sum(h.people), 0) AS people FROM score_histogram h
    WHERE h.period = '{{period}}' AND h.points > s.total_points AND h.points <= s.above
  ) AS between_them
)""",
}
