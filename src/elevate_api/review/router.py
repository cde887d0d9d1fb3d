"""What reviewers call. Corrections by administrators are in `admin_router`."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Tx
from elevate_api.kit.paging import Page, Paging, cut, link_next
from elevate_api.kit.problems import NotFound, responses
from elevate_api.kit.routing import Router
from elevate_api.kit.work import Writes
from elevate_api.points.rules import ActivityCode
from elevate_api.review import bulk, decisions
from elevate_api.review.claims import ClaimRepository
from elevate_api.review.errors import (
    AlreadyReviewed,
    ClaimedByAnother,
    OwnSubmission,
    PointAdjustmentOutOfBounds,
    SubmissionChanged,
)
from elevate_api.review.queries import QueueFilter, items_of, queue
from elevate_api.review.schemas import (
    Approval,
    ApprovalOut,
    BulkOut,
    BulkRequest,
    ClaimRequest,
    QueueItemOut,
    QueueItemsOut,
    Rejection,
)
from elevate_api.submissions.errors import CertificateAlreadyUsed, SubmissionNotPending
from elevate_api.submissions.schemas import SubmissionOut
from elevate_api.users.guards import SESSION, ReviewerCaller, ReviewerUser
from elevate_api.users.service import lock_caller

router = Router(prefix="/api/review", tags=["review"])

_DECISION = (NotFound, OwnSubmission, AlreadyReviewed, SubmissionNotPending, SubmissionChanged, ClaimedByAnother)
Word = Annotated[str | None, Query(max_length=200)]


@router.get("/queue", response_model=Page[QueueItemOut])
async def review_queue(
    request: Request,
    response: Response,
    session: Tx,
    _reviewer: ReviewerUser,
    paging: Paging,
    activity_code: Annotated[ActivityCode | None, Query(alias="activityCode")] = None,
    cohort: Word = None,
    school: Word = None,
    claimed: Annotated[bool | None, Query(description="Only those that somebody holds now, or only free ones.")] = None,
) -> Page[QueueItemOut]:
    """What waits for a decision, oldest first, with all that a decision needs."""
    wanted = QueueFilter(activity_code, cohort or None, school or None, claimed)
    after = paging.after(datetime, UUID)
    found = await queue(session, wanted, paging.fetch, after, utcnow())
    shown, cursor = cut(found, paging.limit, lambda item: (item.submission.created_at, item.submission.id))
    link_next(request, response, cursor)
    return Page(items=shown, next_cursor=cursor)


@router.post("/claims", response_model=QueueItemsOut)
async def claim_next(wanted: ClaimRequest, session: Tx, reviewer: ReviewerUser) -> QueueItemsOut:
    """Take the oldest free submissions for 15 minutes; nobody else is handed them meanwhile."""
    await lock_caller(session, reviewer.id)
    taken = await ClaimRepository(session).take(reviewer.id, wanted.count, wanted.activity_code)
    return QueueItemsOut(items=await items_of(session, taken, utcnow()))


@router.delete("/claims/{submission_id}", status_code=204, responses=responses(NotFound))
async def release_claim(submission_id: UUID, session: Tx, reviewer: ReviewerUser) -> None:
    """Give back a submission that you hold."""
    if not await ClaimRepository(session).release(submission_id, reviewer.id):
        raise NotFound("You hold no claim on this submission.")


@router.post("/bulk", response_model=BulkOut, openapi_extra=SESSION)
async def decide_bulk(request: Request, wanted: BulkRequest, work: Writes, caller: ReviewerCaller) -> BulkOut:
    """Up to 100 decisions; each stands or fails on its own."""
    constraints = request.app.state.constraints
    return BulkOut(results=await bulk.decide_all(work, caller, wanted.decisions, constraints))


@router.post(
    "/{submission_id}/approve",
    response_model=ApprovalOut,
    openapi_extra=SESSION,
    responses=responses(*_DECISION, PointAdjustmentOutOfBounds, CertificateAlreadyUsed),
)
async def approve_submission(
    submission_id: UUID, approval: Approval, work: Writes, caller: ReviewerCaller
) -> ApprovalOut:
    """Approve and award. Give the `version` that you saw: evidence edited since is then never awarded unseen."""
    decided = await decisions.approve(work, caller, submission_id, approval)
    return ApprovalOut.model_construct(
        submission=decided.submission,
        points_awarded=decided.points_awarded,
        badges_earned=decided.badges_earned,
    )


@router.post(
    "/{submission_id}/reject",
    response_model=SubmissionOut,
    openapi_extra=SESSION,
    responses=responses(*_DECISION),
)
async def reject_submission(
    submission_id: UUID, rejection: Rejection, work: Writes, caller: ReviewerCaller
) -> SubmissionOut:
    """Reject, with a note that tells the submitter why."""
    return (await decisions.reject(work, caller, submission_id, rejection)).submission
