"""An administrator's corrections. Nothing is undone: a compensating row is added, with a permanent cause."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.audit.service import record
from elevate_api.badges.service import grant_earned
from elevate_api.kit.problems import NotFound, ValidationFailed
from elevate_api.points import events
from elevate_api.points.models import PointAdjustment
from elevate_api.points.repository import LedgerRepository, NewEntry
from elevate_api.review.errors import OwnPoints, OwnSubmission, SubmissionNotApproved
from elevate_api.review.schemas import AdjustmentRequest
from elevate_api.submissions.models import Submission
from elevate_api.submissions.repository import SubmissionRepository
from elevate_api.users.models import User
from elevate_api.users.service import lock_person


async def revoke(session: AsyncSession, admin_id: str, submission_id: UUID, reason: str) -> Submission:
    """Take back exactly what the approval awarded. Badges stay, and nothing else is promoted.

    Raises NotFound, OwnSubmission, SubmissionNotApproved.
    """
    submissions, ledger = SubmissionRepository(session), LedgerRepository(session)
    owner = await submissions.owner_of(submission_id)
    if owner is None:
        raise NotFound
    if owner == admin_id:
        raise OwnSubmission
    await lock_person(session, owner)
    submission = await submissions.lock(submission_id)
    if submission is None or submission.status != "APPROVED":
        raise SubmissionNotApproved
    points = submission.points_awarded
    if points is None:  # approved by an operator's own SQL; the row that they wrote says how much
        points = await ledger.operator_award(owner, submission.activity_code, submission.reviewed_at)
    revoked_at = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    submission.status = "REVOKED"
    submission.revoked_at = revoked_at
    submission.revoked_by = admin_id
    submission.revoke_reason = reason
    await submissions.save(submission)
    if points:
        await ledger.append(_taken_back(submission, points))
    details = {"points": -points, "version": submission.version}
    record(session, actor_id=admin_id, action="submission.revoke", target_type="submission",
           target_id=submission_id, details=details)  # fmt: skip
    return submission


def _taken_back(submission: Submission, points: int) -> NewEntry:
    return NewEntry(
        user_id=submission.user_id,
        activity_code=submission.activity_code,
        source="FORM",
        delta_points=-points,
        external_event_id=events.submission_revoked(submission.id),
        event_time=submission.revoked_at,
    )


async def adjust(session: AsyncSession, admin_id: str, wanted: AdjustmentRequest) -> tuple[PointAdjustment, list[str]]:
    """Add a correction to a person's points; answers it and the badges that it earned.

    Raises NotFound (no such person, or erased), OwnPoints, ValidationFailed (0 points).
    """
    if wanted.delta_points == 0:
        raise ValidationFailed.at("/deltaPoints", "must not be 0")
    if wanted.user_id == admin_id:
        raise OwnPoints
    await lock_person(session, wanted.user_id)
    person = await session.get(User, wanted.user_id, populate_existing=True)
    if person is None or person.erased_at is not None:
        raise NotFound
    ledger = LedgerRepository(session)
    adjustment = await ledger.add_adjustment(
        PointAdjustment(
            user_id=wanted.user_id,
            activity_code=wanted.activity_code,
            delta_points=wanted.delta_points,
            reason=wanted.reason,
            created_by=admin_id,
        )
    )
    await session.refresh(adjustment)
    await ledger.append(_correction(adjustment))
    badges = await grant_earned(session, wanted.user_id)
    details = {"adjustment": str(adjustment.id), "points": wanted.delta_points, "activityCode": wanted.activity_code}
    record(session, actor_id=admin_id, action="points.adjust", target_type="user",
           target_id=wanted.user_id, details=details)  # fmt: skip
    return adjustment, badges


def _correction(adjustment: PointAdjustment) -> NewEntry:
    return NewEntry(
        user_id=adjustment.user_id,
        activity_code=adjustment.activity_code,
        source="MANUAL",
        delta_points=adjustment.delta_points,
        external_event_id=events.adjustment(adjustment.id),
        event_time=adjustment.created_at,
    )
