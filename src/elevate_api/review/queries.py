"""The queue, with everything that a decision needs beside each item, in a fixed number of statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.activities.repository import ActivityRepository
from elevate_api.points.rules import Standing, compute_award
from elevate_api.review.awards import rates_of
from elevate_api.review.schemas import ClaimOut, QueueItemOut, SubmitterOut, WarningOut
from elevate_api.review.suspicion import Evidence, Surroundings, suspicion_score, warnings_for
from elevate_api.submissions.models import ReviewClaim, Submission
from elevate_api.submissions.presenter import present
from elevate_api.submissions.repository import PageKey, SubmissionRepository
from elevate_api.users.models import User


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """`claimed`: True for those that somebody holds now, False for free ones, None for both."""

    activity_code: str | None = None
    cohort: str | None = None
    school: str | None = None
    claimed: bool | None = None


_LIVE_CLAIM = and_(ReviewClaim.submission_id == Submission.id, ReviewClaim.expires_at > func.clock_timestamp())

# Per submission: what its person has been awarded in the stage, whether another one of the stage is approved with
# points, 7 days of AMPLIFY claims up to it, approved sessions of the same day, the certificate approved elsewhere.
_AROUND = text("""
    SELECT s.id,
      (SELECT coalesce(sum(l.delta_points), 0)::bigint FROM points_ledger l
       WHERE l.user_id = s.user_id AND l.activity_code = s.activity_code
         AND (l.external_event_id IS NULL OR l.external_event_id NOT LIKE 'adjustment:%')) AS awarded,
      EXISTS (SELECT FROM submissions o WHERE o.user_id = s.user_id AND o.activity_code = s.activity_code
         AND o.status = 'APPROVED' AND o.id <> s.id AND coalesce(o.points_awarded, 1) > 0) AS has_awarded_approval,
      week.peers, week.students, sessions.found AS sessions,
      (SELECT o.id FROM submissions o WHERE o.activity_code = 'LEARN' AND o.status = 'APPROVED'
         AND lower(o.payload ->> 'certificateHash') = lower(s.payload ->> 'certificateHash')
         AND o.user_id <> s.user_id LIMIT 1) AS certificate_of
    FROM submissions s
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(w.peers_trained), 0)::bigint AS peers,
             coalesce(sum(w.students_trained), 0)::bigint AS students
      FROM submissions w
      WHERE s.activity_code = 'AMPLIFY' AND w.user_id = s.user_id AND w.activity_code = 'AMPLIFY'
        AND w.status IN ('PENDING', 'APPROVED')
        AND w.created_at > s.created_at - interval '7 days' AND w.created_at <= s.created_at
    ) week
    CROSS JOIN LATERAL (
      SELECT coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'payload', d.payload)), '[]') AS found
      FROM submissions d
      WHERE s.activity_code = 'AMPLIFY' AND d.user_id = s.user_id AND d.activity_code = 'AMPLIFY'
        AND d.status = 'APPROVED' AND d.id <> s.id
        AND d.payload ->> 'sessionDate' = s.payload ->> 'sessionDate'
    ) sessions
    WHERE s.id = ANY(:ids)
""")


def _base() -> Select[Submission, User, ReviewClaim]:
    return (
        select(Submission, User, ReviewClaim)
        .join(User, User.id == Submission.user_id)
        .outerjoin(ReviewClaim, _LIVE_CLAIM)
        .order_by(Submission.created_at, Submission.id)
    )


async def queue(
    session: AsyncSession, wanted: QueueFilter, limit: int, after: PageKey | None, now: datetime
) -> list[QueueItemOut]:
    """PENDING submissions, oldest first."""
    statement = _base().where(Submission.status == "PENDING")
    if wanted.activity_code is not None:
        statement = statement.where(Submission.activity_code == wanted.activity_code)
    if wanted.cohort is not None:
        statement = statement.where(User.cohort == wanted.cohort)
    if wanted.school is not None:
        statement = statement.where(User.school == wanted.school)
    if wanted.claimed is not None:
        held = ReviewClaim.submission_id
        statement = statement.where(held.is_not(None) if wanted.claimed else held.is_(None))
    if after is not None:
        statement = statement.where(tuple_(Submission.created_at, Submission.id) > tuple_(*after))
    return await _items(session, (await session.execute(statement.limit(limit))).all(), now)


async def items_of(session: AsyncSession, submission_ids: Sequence[UUID], now: datetime) -> list[QueueItemOut]:
    """The named submissions as queue items, oldest first."""
    statement = _base().where(Submission.id.in_(submission_ids))
    return await _items(session, (await session.execute(statement)).all(), now)


async def _items(
    session: AsyncSession, rows: Sequence[Row[Submission, User, ReviewClaim]], now: datetime
) -> list[QueueItemOut]:
    if not rows:
        return []
    ids = [row.Submission.id for row in rows]
    files = await SubmissionRepository(session).attachments(ids)
    around = {row.id: row for row in await session.execute(_AROUND, {"ids": ids})}
    rates = {activity.code: rates_of(activity) for activity in await ActivityRepository(session).all()}
    return [
        _item(row, present(row.Submission, files[row.Submission.id]), around[row.Submission.id], rates, now)
        for row in rows
    ]


def _item(row: Any, submission: Any, around: Any, rates: Any, now: datetime) -> QueueItemOut:
    evidence = Evidence(submission.id, submission.payload)
    sessions = tuple(Evidence(UUID(found["id"]), found["payload"]) for found in around.sessions)
    warned = warnings_for(
        evidence, Surroundings(sessions, around.certificate_of, week_peers=around.peers, week_students=around.students)
    )
    award = compute_award(
        rates[submission.activity_code],
        Standing(around.awarded, around.has_awarded_approval),
        peers=row.Submission.peers_trained or 0,
        students=row.Submission.students_trained or 0,
    )
    return QueueItemOut(
        submission=submission,
        submitter=SubmitterOut.model_validate({name: getattr(row.User, name) for name in SubmitterOut.model_fields}),
        waiting_seconds=max(0, int((now - submission.created_at).total_seconds())),
        claim=_claim(row.ReviewClaim),
        warnings=[WarningOut.model_validate(warning) for warning in warned],
        suspicion_score=suspicion_score(warned),
        computed_points=award.points,
    )


def _claim(claim: ReviewClaim | None) -> ClaimOut | None:
    if claim is None:
        return None
    return ClaimOut(reviewer_id=claim.reviewer_id, claimed_at=claim.claimed_at, expires_at=claim.expires_at)
