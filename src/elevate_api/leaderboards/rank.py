"""Where the caller stands, with guard, standing and neighbours in one statement; ranks from the process's ladder."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from elevate_api.kit.work import UnitOfWork
from elevate_api.leaderboards.ladder import Ladder, Ladders, ladder_at
from elevate_api.leaderboards.queries import VISIBLE, Period, standing_parts
from elevate_api.users.caller import Caller

NEIGHBOURS = 2
"""People shown on each side of the caller."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    above: bool
    handle: str
    name: str
    avatar_url: str | None
    points: int
    rank: int


@dataclass(frozen=True, slots=True)
class OwnStanding:
    """As `queries.Standing`, and who stands next to it: the nearest first on each side."""

    as_of: datetime
    rank: int | None
    points: int
    of: int
    neighbours: list[Neighbour]


async def own_standing(work: UnitOfWork, caller: Caller, period: Period, ladders: Ladders) -> OwnStanding:
    """Raises what keeps the caller out. One round trip, two for the first to ask after the board has changed.

    A ladder serves only what was read at its own version; whoever meets another, and does not fetch the new one, asks
    again with the ranks counted by the statement itself, whose snapshot is one.
    """
    rows = await caller.run(work, _PLAIN[period])
    ladder = await ladder_at(work, ladders, period, rows[0][_VERSION])
    if ladder is None:
        return _standing(await caller.run(work, _COUNTED[period]), None)
    return _standing(rows, ladder)


def _standing(rows: Sequence[Sequence[Any]], ladder: Ladder | None) -> OwnStanding:
    _verdict, as_of, _version, ranked, on_board, points, rank, of, *_ = rows[0]
    if ladder is not None:
        rank, of = (ladder.rank(points) if ranked else None), ladder.participants
    if ranked and not on_board:
        of += 1
    return OwnStanding(as_of, rank, points, of, [_neighbour(row, ladder) for row in rows if row[_ABOVE] is not None])


def _neighbour(row: Sequence[Any], ladder: Ladder | None) -> Neighbour:
    above, handle, name, avatar_url, points, rank = row[_ABOVE:]
    return Neighbour(above, handle, name, avatar_url, points, rank if ladder is None else ladder.rank(points))


_VERSION, _ABOVE = 2, 8
"""Columns of the statement."""

# Whoever stands there with points is placed as `queries.standing` places them. Neighbours on each side are two index
# ranges, the rest of the own tie and then other points: one with an OR would walk the tie from its start.
_OWN = """
WITH me AS MATERIALIZED (
  SELECT caller_verdict(u, 'PARTICIPANT', $2, $3, $4, $5, $6) AS verdict, b.user_id IS NOT NULL AS on_board,
         coalesce(u.role = 'PARTICIPANT' AND u.erased_at IS NULL, false)
           AND coalesce(b.{points}, l.points, 0) > 0 AS ranked,
         coalesce(b.{points}, l.points, 0) AS points, coalesce(b.reached_at, l.reached_at) AS reached_at
  FROM (SELECT 1) AS one
  LEFT JOIN users u ON u.id = $1
  LEFT JOIN user_totals b ON b.user_id = $1 AND b.on_board AND b.{points} > 0
  LEFT JOIN LATERAL (
    SELECT sum(delta_points)::bigint AS points, max(created_at) AS reached_at
    FROM points_ledger WHERE user_id = $1 AND b.user_id IS NULL {since}
  ) l ON true
)
SELECT me.verdict, s.as_of, s.{version}, me.ranked, me.on_board, me.points, {rank} AS rank, {of} AS of,
       n.above, n.handle, n.name, n.avatar_url, n.points, {their_rank} AS their_rank
FROM me CROSS JOIN totals_state s LEFT JOIN LATERAL (
  (SELECT true AS above, * FROM ({above}) up ORDER BY points, reached_at DESC, user_id DESC LIMIT {neighbours})
  UNION ALL
  (SELECT false, * FROM ({below}) down ORDER BY points DESC, reached_at, user_id LIMIT {neighbours})
) n ON true
"""

_SIDE = """
(SELECT u.handle, u.name, u.avatar_url, b.{points} AS points, b.reached_at, b.user_id
 FROM user_totals b JOIN users u ON u.id = b.user_id
 WHERE me.ranked AND b.on_board AND b.{points} > 0 AND {visible} AND {range}
 ORDER BY {order} LIMIT {neighbours})
"""


def _statement(period: Period, *, counted: bool) -> str:
    histogram = f"FROM score_histogram h WHERE h.period = '{period.value}'"
    sum_of = f"(SELECT coalesce(sum(h.people), 0)::bigint {histogram}{{more}})"
    ranks = {"rank": "NULL::bigint", "of": "NULL::bigint", "their_rank": "NULL::bigint"}
    if counted:
        ranks = {
            "rank": f"CASE WHEN me.ranked THEN 1 + {sum_of.format(more=' AND h.points > me.points')} END",
            "of": sum_of.format(more=""),
            "their_rank": f"1 + {sum_of.format(more=' AND h.points > n.points')}",
        }
    parts = standing_parts(period) | {"version": period.version, "neighbours": str(NEIGHBOURS)}
    return _OWN.format(above=_side(period, upwards=True), below=_side(period, upwards=False), **ranks, **parts)


def _side(period: Period, *, upwards: bool) -> str:
    points = f"b.{period.points}"
    further, other, down, up = ("<", ">", "", " DESC") if upwards else (">", "<", " DESC", "")
    order = f"{points}{down}, b.reached_at{up}, b.user_id{up}"
    ranges = (
        f"{points} = me.points AND (b.reached_at, b.user_id) {further} (me.reached_at, $1)",
        f"{points} {other} me.points",
    )
    return " UNION ALL ".join(
        _SIDE.format(points=period.points, visible=VISIBLE, range=part, order=order, neighbours=NEIGHBOURS)
        for part in ranges
    )


_PLAIN = {period: _statement(period, counted=False) for period in Period}
_COUNTED = {period: _statement(period, counted=True) for period in Period}
