"""Reads over the totals: standings, the programme's figures."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

STATUSES = ("PENDING", "APPROVED", "REJECTED", "WITHDRAWN", "REVOKED")


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
class Place:
    """A position in board order: points descending, then who reached them first, then id."""

    points: int
    reached_at: datetime
    user_id: str


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


VISIBLE = "u.erased_at IS NULL AND u.show_on_leaderboard AND u.role = 'PARTICIPANT'"
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
