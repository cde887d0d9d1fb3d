"""Deciding about one submission: submission, ledger row, badges and audit row in one transaction.

Locks: the submitter first, then the submission (shared order of everything that changes what a person has earned).
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.audit.service import record
from elevate_api.badges.service import grant_earned
from elevate_api.kit.problems import NotFound, ValidationFailed
from elevate_api.points import events
from elevate_api.points.repository import LedgerRepository, NewEntry
from elevate_api.points.rules import Award
from elevate_api.review.awards import award_for
from elevate_api.review.claims import ClaimRepository
from elevate_api.review.errors import (
    AlreadyReviewed,
    ClaimedByAnother,
    OwnSubmission,
    PointAdjustmentOutOfBounds,
    SubmissionChanged,
)
from elevate_api.review.schemas import Approval, Rejection
from elevate_api.submissions.errors import SubmissionNotPending
from elevate_api.submissions.models import Submission
from elevate_api.submissions.repository import SubmissionRepository
from elevate_api.users.service import lock_person


@dataclass(frozen=True, slots=True)
class Decided:
    submission: Submission
    points_awarded: int
    badges_earned: list[str]


async def approve(session: AsyncSession, reviewer_id: str, submission_id: UUID, approval: Approval) -> Decided:
    """Approve and award. Raises every problem of `_to_decide`, PointAdjustmentOutOfBounds, CertificateAlreadyUsed."""
    submission = await _to_decide(session, reviewer_id, submission_id, approval.version)
    award = await award_for(session, submission)
    points = _points(award, approval)
    submission.status = "APPROVED"
    submission.reviewer_id = reviewer_id
    submission.review_note = approval.note
    submission.points_awarded = points
    submission.adjustment_reason = approval.reason if points != award.points else None
    await SubmissionRepository(session).save(submission)
    if points:
        await LedgerRepository(session).append(_entry(submission, points))
    badges = await grant_earned(session, submission.user_id)
    await ClaimRepository(session).remove(submission_id)
    details = {"points": points, "computed": award.points, "version": submission.version, "badges": badges}
    _audit(session, reviewer_id, "submission.approve", submission_id, details)
    return Decided(submission, points, badges)


async def reject(session: AsyncSession, reviewer_id: str, submission_id: UUID, rejection: Rejection) -> Decided:
    """Raise what `_to_decide` raises."""
    submission = await _to_decide(session, reviewer_id, submission_id, rejection.version)
    submission.status = "REJECTED"
    submission.reviewer_id = reviewer_id
    submission.review_note = rejection.note
    await SubmissionRepository(session).save(submission)
    await ClaimRepository(session).remove(submission_id)
    _audit(session, reviewer_id, "submission.reject", submission_id, {"version": submission.version})
    return Decided(submission, 0, [])


async def _to_decide(session: AsyncSession, reviewer_id: str, submission_id: UUID, version: int | None) -> Submission:
    """The submission, locked and fit to be decided by this reviewer.

    Raises NotFound, OwnSubmission, AlreadyReviewed, SubmissionNotPending, SubmissionChanged, ClaimedByAnother.
    """
    submissions = SubmissionRepository(session)
    owner = await submissions.owner_of(submission_id)
    if owner is None:
        raise NotFound
    if owner == reviewer_id:
        raise OwnSubmission
    await lock_person(session, owner)
    submission = await submissions.lock(submission_id)
    if submission is None:
        raise NotFound
    if submission.status == "WITHDRAWN":
        raise SubmissionNotPending("The submission was withdrawn by its owner.")
    if submission.status != "PENDING":
        raise AlreadyReviewed
    if version is not None and version != submission.version:
        raise SubmissionChanged(current_version=submission.version)
    if await ClaimRepository(session).held_by_another(submission_id, reviewer_id):
        raise ClaimedByAnother
    return submission


def _points(award: Award, approval: Approval) -> int:
    if approval.points is None or approval.points == award.points:
        return award.points
    if not award.allows(approval.points):
        raise PointAdjustmentOutOfBounds(computed=award.points, lowest=award.lowest, highest=award.highest)
    if approval.reason is None:
        raise ValidationFailed.at("/reason", "is required when the points differ from the computed ones")
    return approval.points


def _entry(submission: Submission, points: int) -> NewEntry:
    return NewEntry(
        user_id=submission.user_id,
        activity_code=submission.activity_code,
        source="FORM",
        delta_points=points,
        external_event_id=events.submission_approved(submission.id),
        event_time=submission.reviewed_at,
    )


def _audit(session: AsyncSession, actor_id: str, action: str, submission_id: UUID, details: dict[str, object]) -> None:
    record(
        session, actor_id=actor_id, action=action, target_type="submission", target_id=submission_id, details=details
    )
