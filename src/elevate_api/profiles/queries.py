"""Reads about one person: exact at any moment, from the ledger and the submissions themselves."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.leaderboards.queries import STATUSES

SHOWN_SUBMISSIONS = 100
"""Public submissions of a profile, the newest first."""


@dataclass(frozen=True, slots=True)
class PublicPerson:
    id: str
    handle: str
    name: str
    avatar_url: str | None
    school: str | None
    cohort: str | None
    created_at: datetime
    show_on_leaderboard: bool


@dataclass(frozen=True, slots=True)
class Earned:
    """A badge that a person has."""

    code: str
    name: str
    description: str
    icon_url: str | None
    earned_at: datetime


@dataclass(frozen=True, slots=True)
class PublicSubmission:
    id: UUID
    activity_code: str
    payload: dict[str, Any]
    points_awarded: int | None
    created_at: datetime
    reviewed_at: datetime | None


@dataclass(frozen=True, slots=True)
class StageProgress:
    """A stage and what one person did in it; `submissions` has every status."""

    activity_code: str
    name: str
    default_points: int
    points: int
    submissions: dict[str, int]


@dataclass(frozen=True, slots=True)
class Claimed:
    """People that a person's AMPLIFY submissions of the last 7 days name, and how many they may name."""

    peers: int
    students: int
    peer_limit: int
    student_limit: int


async def person_by_handle(session: AsyncSession, handle: str) -> PublicPerson | None:
    """Somebody with a profile: erased and suspended accounts have none."""
    row = (await session.execute(text(_PERSON), {"handle": handle})).mappings().one_or_none()
    return None if row is None else PublicPerson(**row)


async def badges_of(session: AsyncSession, person: str) -> list[Earned]:
    rows = (await session.execute(text(_BADGES), {"person": person})).mappings()
    return [Earned(**row) for row in rows]


async def public_submissions(session: AsyncSession, person: str) -> list[PublicSubmission]:
    rows = await session.execute(text(_PUBLIC_SUBMISSIONS), {"person": person, "limit": SHOWN_SUBMISSIONS})
    return [PublicSubmission(**row) for row in rows.mappings()]


async def progress_of(session: AsyncSession, person: str) -> list[StageProgress]:
    """Every stage, in the programme's order."""
    rows = (await session.execute(text(_PROGRESS), {"person": person})).mappings()
    return [_stage_progress(dict(row)) for row in rows]


async def amplify_claims(session: AsyncSession, person: str) -> Claimed:
    row = (await session.execute(text(_CLAIMED), {"person": person})).mappings().one()
    return Claimed(**row)


def _stage_progress(row: dict[str, Any]) -> StageProgress:
    return StageProgress(submissions={status: row.pop(status.lower()) for status in STATUSES}, **row)


_PERSON = """
SELECT id, handle, name, avatar_url, school, cohort, created_at, show_on_leaderboard
FROM users WHERE handle = :handle AND erased_at IS NULL AND suspended_at IS NULL
"""

_BADGES = """
SELECT b.code, b.name, b.description, b.icon_url, e.earned_at
FROM earned_badges e JOIN badges b ON b.code = e.badge_code
WHERE e.user_id = :person ORDER BY e.earned_at, b.code
"""

_PUBLIC_SUBMISSIONS = """
SELECT id, activity_code, payload, points_awarded, created_at, reviewed_at FROM submissions
WHERE user_id = :person AND status = 'APPROVED' AND visibility = 'PUBLIC'
ORDER BY created_at DESC, id DESC LIMIT :limit
"""

# Points and submissions are summed separately before they meet, or each would multiply the other.
_PROGRESS = """
SELECT a.code AS activity_code, a.name, a.default_points, coalesce(l.points, 0) AS points, {statuses}
FROM activities a
LEFT JOIN (
  SELECT activity_code, sum(delta_points)::bigint AS points FROM points_ledger
  WHERE user_id = :person GROUP BY activity_code
) l ON l.activity_code = a.code
LEFT JOIN (
  SELECT activity_code, {counts} FROM submissions WHERE user_id = :person GROUP BY activity_code
) s ON s.activity_code = a.code
ORDER BY a.position, a.code
""".format(
    statuses=", ".join(f"coalesce(s.{status.lower()}, 0) AS {status.lower()}" for status in STATUSES),
    counts=", ".join(f"count(*) FILTER (WHERE status = '{status}') AS {status.lower()}" for status in STATUSES),
)

# The window that the database judges a new submission by; its numbers stand where domain.md has them.
_CLAIMED = """
SELECT coalesce(sum(peers_trained), 0) AS peers, coalesce(sum(students_trained), 0) AS students,
       app_limit('amplify_peer_limit', 50) AS peer_limit, app_limit('amplify_student_limit', 200) AS student_limit
FROM submissions
WHERE user_id = :person AND activity_code = 'AMPLIFY' AND status IN ('PENDING', 'APPROVED')
  AND created_at > now() - interval '7 days'
"""
