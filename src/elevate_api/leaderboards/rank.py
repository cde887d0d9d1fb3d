"""Where callers stand, with guard, standing and neighbours in one statement; ranks from the process's ladder."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from elevate_api.kit.db import Database
from elevate_api.kit.together import Together
from elevate_api.kit.work import UnitOfWork
from elevate_api.leaderboards.ladder import Ladder, Ladders, ladder_at
from elevate_api.leaderboards.queries import VISIBLE, Period, standing_parts
from elevate_api.users.caller import Caller, Said

NEIGHBOURS = 2
"""People shown on each side of the caller."""


@dataclass(slots=True)
class Neighbour:
    handle: str
    name: str
    avatar_url: str | None
    points: int
    rank: int


@dataclass(slots=True)
class OwnStanding:
    """As `queries.Standing`, with the verdict about who asks, and who stands next to them: the nearest first."""

    verdict: str
    as_of: datetime
    rank: int | None
    points: int
    of: int
    above: list[Neighbour] = field(default_factory=list)
    below: list[Neighbour] = field(default_factory=list)


class Standings:
    """Answers who asks for their own standing; those of one moment share a statement."""

    def __init__(self, database: Database, ladders: Ladders) -> None:
        self._database = database
        self._ladders = ladders
        self._asked = {period: Together(partial(self._read, period)) for period in Period}

    async def own(self, work: UnitOfWork, caller: Caller, period: Period) -> OwnStanding:
        """Raises what keeps the caller out. Who has to be admitted first is answered within that transaction."""

        async def ask(said: Said) -> OwnStanding:
            if work.is_open:
                return (await read_standings(work, self._ladders, period, [said]))[0]
            return await self._asked[period].ask(said)

        return await caller.judged(work, ask)

    async def _read(self, period: Period, callers: Sequence[Said]) -> list[OwnStanding]:
        async with UnitOfWork(self._database) as work:
            return await read_standings(work, self._ladders, period, callers)


async def read_standings(
    work: UnitOfWork, ladders: Ladders, period: Period, callers: Sequence[Said]
) -> list[OwnStanding]:
    """The standing of each. One round trip, two for the first to ask after the board has changed.

    A ladder serves only what was read at its own version; whoever meets another, and does not fetch the new one, asks
    again with the ranks counted by the statement itself, whose snapshot is one.
    """
    columns = tuple(zip(*callers, strict=True))
    rows = await work.run(_PLAIN[period], *columns)
    ladder = await ladder_at(work, ladders, period, rows[0][_VERSION])
    if ladder is None:
        rows = await work.run(_COUNTED[period], *columns)
    return _standings(rows, ladder, len(callers))


def _standings(rows: Sequence[Sequence[Any]], ladder: Ladder | None, number: int) -> list[OwnStanding]:
    found: list[OwnStanding | None] = [None] * number
    for row in rows:
        place, above = row[0] - 1, row[_ABOVE]
        standing = found[place]
        if standing is None:
            standing = found[place] = _standing(row, ladder)
        if above is not None:
            (standing.above if above else standing.below).append(_neighbour(row, ladder))
    return [standing for standing in found if standing is not None]


def _standing(row: Sequence[Any], ladder: Ladder | None) -> OwnStanding:
    _, _, verdict, as_of, ranked, on_board, points, rank, of, *_ = row
    if ladder is not None:
        rank, of = (ladder.rank(points) if ranked else None), ladder.participants
    if ranked and not on_board:
        of += 1
    return OwnStanding(verdict, as_of, rank, points, of)


def _neighbour(row: Sequence[Any], ladder: Ladder | None) -> Neighbour:
    _, handle, name, avatar_url, points, rank = row[_ABOVE:]
    return Neighbour(handle, name, avatar_url, points, rank if ladder is None else ladder.rank(points))


_VERSION, _ABOVE = 1, 9
"""Columns of the statement."""

# Each list in a SELECT of its own, where the planner does not see how long it is: it would plan every call anew, as a
# plan for few callers promises to be cheaper than one for any number.
_LISTS = ("text", "timestamptz", "text", "boolean", "text", "text")
_CALLERS = (
    f"unnest({', '.join(f'(SELECT ${place}::{kind}[])' for place, kind in enumerate(_LISTS, 1))})"
    " WITH ORDINALITY AS c (id, said_at, mail, mail_verified, picture, full_name, place)"
)

# Whoever stands there with points is placed as `queries.standing` places them. Neighbours on each side are two index
# ranges, the rest of the own tie and then other points: one with an OR would walk the tie from its start. The second
# is read only where the first has too few.
_OWN = """
WITH me AS MATERIALIZED (
  SELECT c.place, c.id, b.user_id IS NOT NULL AS on_board,
         caller_verdict(u, 'PARTICIPANT', c.said_at, c.mail, c.mail_verified, c.picture, c.full_name) AS verdict,
         coalesce(u.role = 'PARTICIPANT' AND u.erased_at IS NULL, false)
           AND coalesce(b.{points}, l.points, 0) > 0 AS ranked,
         coalesce(b.{points}, l.points, 0) AS points, coalesce(b.reached_at, l.reached_at) AS reached_at
  FROM {callers}
  LEFT JOIN users u ON u.id = c.id
  LEFT JOIN user_totals b ON b.user_id = c.id AND b.on_board AND b.{points} > 0
  LEFT JOIN LATERAL (
    SELECT sum(delta_points)::bigint AS points, max(created_at) AS reached_at
    FROM points_ledger WHERE user_id = c.id AND b.user_id IS NULL {since}
  ) l ON true
)
SELECT me.place, s.{version}, me.verdict, s.as_of, me.ranked, me.on_board, me.points, {rank} AS rank, {of} AS of,
       n.above, n.handle, n.name, n.avatar_url, n.points, {their_rank} AS their_rank
FROM me CROSS JOIN totals_state s LEFT JOIN LATERAL (
  (SELECT true AS above, up.* FROM ({above}) up LIMIT {neighbours})
  UNION ALL
  (SELECT false, down.* FROM ({below}) down LIMIT {neighbours})
) n ON true
"""

_SIDE = """
(SELECT u.handle, u.name, u.avatar_url, b.{points} AS points
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
    parts = standing_parts(period) | {"version": period.version, "neighbours": str(NEIGHBOURS), "callers": _CALLERS}
    return _OWN.format(above=_side(period, upwards=True), below=_side(period, upwards=False), **ranks, **parts)


def _side(period: Period, *, upwards: bool) -> str:
    points = f"b.{period.points}"
    further, other, down, up = ("<", ">", "", " DESC") if upwards else (">", "<", " DESC", "")
    order = f"{points}{down}, b.reached_at{up}, b.user_id{up}"
    ranges = (
        f"{points} = me.points AND (b.reached_at, b.user_id) {further} (me.reached_at, me.id)",
        f"{points} {other} me.points",
    )
    return " UNION ALL ".join(
        _SIDE.format(points=period.points, visible=VISIBLE, range=part, order=order, neighbours=NEIGHBOURS)
        for part in ranges
    )


_PLAIN = {period: _statement(period, counted=False) for period in Period}
_COUNTED = {period: _statement(period, counted=True) for period in Period}
