"""The queue, with everything that a decision needs beside each item, in a fixed number of statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.activities.repository import ActivityRepository
from elevate_api.points.rules import compute_award
from elevate_api.review.awards import rates_of
from elevate_api.review.schemas import ClaimOut, HistoryOut, QueueItemOut, SubmitterOut, WarningOut
from elevate_api.review.surroundings import Around, histories_of, surroundings_of
from elevate_api.review.suspicion import Evidence, suspicion_score, warnings_for
from elevate_api.submissions.models import ReviewClaim, Submission
from elevate_api.submissions.presenter import present
from elevate_api.submissions.repository import PageKey, SubmissionRepository
from elevate_api.submissions.schemas import SubmissionOut
from elevate_api.users.models import User


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """`claimed`: True for those that somebody holds now, False for free ones, None for both."""

    activity_code: str | None = None
    cohort: str | None = None
    school: str | None = None
    claimed: bool | None = None


_LIVE_CLAIM = and_(ReviewClaim.submission_id == Submission.id, ReviewClaim.expires_at > func.clock_timestamp())


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
    around = await surroundings_of(session, ids)
    histories = await histories_of(session, {row.User.id for row in rows})
    rates = {activity.code: rates_of(activity) for activity in await ActivityRepository(session).all()}
    return [
        _item(
            row,
            present(row.Submission, files[row.Submission.id]),
            around[row.Submission.id],
            histories[row.User.id],
            rates,
            now,
        )
        for row in rows
    ]


def _item(
    row: Any, submission: SubmissionOut, around: Around, history: HistoryOut, rates: Any, now: datetime
) -> QueueItemOut:
    warned = warnings_for(Evidence(submission.id, submission.payload), around.surroundings)
    award = compute_award(
        rates[submission.activity_code],
        around.standing,
        peers=row.Submission.peers_trained or 0,
        students=row.Submission.students_trained or 0,
    )
    return QueueItemOut(
        submission=submission,
        submitter=SubmitterOut.model_validate({name: getattr(row.User, name) for name in SubmitterOut.model_fields}),
        history=history,
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
