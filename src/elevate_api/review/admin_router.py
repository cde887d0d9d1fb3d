"""Corrections by administrators."""

from uuid import UUID

from elevate_api.kit.db import Tx
from elevate_api.kit.idempotency import PROBLEMS, IdempotencyKeyRequired
from elevate_api.kit.problems import NotFound, responses
from elevate_api.kit.routing import Router
from elevate_api.review import corrections
from elevate_api.review.errors import OwnPoints, OwnSubmission, SubmissionNotApproved
from elevate_api.review.schemas import AdjustmentOut, AdjustmentRequest, Revocation
from elevate_api.submissions.presenter import present_one
from elevate_api.submissions.schemas import SubmissionOut
from elevate_api.users.guards import AdminUser
from elevate_api.users.idempotency import RequiredIdempotent

router = Router(prefix="/api", tags=["administration"])


@router.post(
    "/review/{submission_id}/revoke",
    response_model=SubmissionOut,
    responses=responses(NotFound, OwnSubmission, SubmissionNotApproved),
)
async def revoke_approval(submission_id: UUID, revocation: Revocation, session: Tx, admin: AdminUser) -> SubmissionOut:
    """Revoke an approval: a compensating ledger row takes back exactly what it awarded. Badges stay."""
    submission = await corrections.revoke(session, admin.id, submission_id, revocation.reason)
    return await present_one(session, submission)


@router.post(
    "/admin/points/adjustments",
    status_code=201,
    response_model=AdjustmentOut,
    responses=responses(NotFound, OwnPoints, IdempotencyKeyRequired, *PROBLEMS),
)
async def adjust_points(
    wanted: AdjustmentRequest, session: Tx, admin: AdminUser, _idempotent: RequiredIdempotent
) -> AdjustmentOut:
    """Correct somebody's points by a row of its own. `Idempotency-Key` is required: a retry must not count twice."""
    adjustment, badges = await corrections.adjust(session, admin.id, wanted)
    fields = {name: getattr(adjustment, name) for name in AdjustmentOut.model_fields if name != "badges_earned"}
    return AdjustmentOut(badges_earned=badges, **fields)
