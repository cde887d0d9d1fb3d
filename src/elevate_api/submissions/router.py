from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Body, Query, Request, Response

from elevate_api.auth.roles import Role
from elevate_api.config import Settings
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Tx
from elevate_api.kit.idempotency import PROBLEMS
from elevate_api.kit.paging import Page, Paging, cut, link_next
from elevate_api.kit.problems import NotFound, responses
from elevate_api.kit.routing import Router
from elevate_api.kit.work import Writes
from elevate_api.points.rules import ActivityCode
from elevate_api.submissions import service
from elevate_api.submissions.errors import (
    AmplifyQuotaExceeded,
    LearnAlreadyActive,
    SubmissionNotPending,
    SubmissionRateLimited,
)
from elevate_api.submissions.presenter import present_all, present_one
from elevate_api.submissions.repository import SubmissionRepository
from elevate_api.submissions.schemas import NewSubmission, SubmissionEdit, SubmissionOut, SubmissionStatus
from elevate_api.users.guards import SESSION, CurrentUser, SubmittingCaller

router = Router(prefix="/api/submissions", tags=["submissions"])

_EXAMPLES = {
    "explore": {
        "summary": "A lesson, reflected on",
        "value": {
            "activityCode": "EXPLORE",
            "payload": {
                "reflection": "My class compared two answers of an assistant, looked for what was wrong in each, and "
                "rewrote the better one in their own words. They argued well; next time they get less time.",
                "classDate": "2025-01-20",
                "school": "SMA Negeri 1 Bandung",
            },
            "visibility": "PUBLIC",
        },
    },
    "amplify": {
        "summary": "A session for others",
        "value": {
            "activityCode": "AMPLIFY",
            "payload": {"peersTrained": 12, "studentsTrained": 30, "sessionDate": "2025-01-20"},
        },
    },
}


@router.post(
    "",
    status_code=201,
    response_model=SubmissionOut,
    openapi_extra=SESSION,
    responses={
        201: {"headers": {"Location": {"description": "Path of what was made.", "schema": {"type": "string"}}}},
        **responses(LearnAlreadyActive, AmplifyQuotaExceeded, SubmissionRateLimited, *PROBLEMS),
    },
)
async def create_submission(
    request: Request,
    response: Response,
    work: Writes,
    caller: SubmittingCaller,
    new: Annotated[NewSubmission, Body(openapi_examples=_EXAMPLES)],
) -> SubmissionOut:
    """Submit evidence for a stage. It starts PENDING; a reviewer decides."""
    settings: Settings = request.app.state.settings
    submission = await service.create(work, caller, new, utcnow(), settings.app.zone)
    response.headers["Location"] = f"/api/submissions/{submission.id}"
    return submission


@router.get("", response_model=Page[SubmissionOut])
async def list_submissions(
    request: Request,
    response: Response,
    session: Tx,
    user: CurrentUser,
    paging: Paging,
    activity_code: Annotated[ActivityCode | None, Query(alias="activityCode")] = None,
    status: SubmissionStatus | None = None,
) -> Page[SubmissionOut]:
    """Your own submissions, newest first."""
    found = await SubmissionRepository(session).of_person(
        user.id,
        activity_code=activity_code,
        status=status,
        limit=paging.fetch,
        after=paging.after(datetime, UUID),
    )
    shown, cursor = cut(found, paging.limit, lambda submission: (submission.created_at, submission.id))
    link_next(request, response, cursor)
    return Page(items=await present_all(session, shown), next_cursor=cursor)


@router.get("/{submission_id}", response_model=SubmissionOut, responses=responses(NotFound))
async def get_submission(submission_id: UUID, session: Tx, user: CurrentUser) -> SubmissionOut:
    """One of your own; reviewers may read any."""
    submission = await SubmissionRepository(session).get(submission_id)
    if submission is None or (submission.user_id != user.id and not Role(user.role).includes(Role.REVIEWER)):
        raise NotFound
    return await present_one(session, submission)


@router.patch(
    "/{submission_id}",
    response_model=SubmissionOut,
    responses=responses(NotFound, SubmissionNotPending, AmplifyQuotaExceeded),
)
async def edit_submission(
    request: Request, submission_id: UUID, change: SubmissionEdit, session: Tx, user: CurrentUser
) -> SubmissionOut:
    """Replace payload or visibility of your own PENDING submission. Every edit raises `version`."""
    settings: Settings = request.app.state.settings
    submission = await service.edit(session, user.id, submission_id, change, utcnow(), settings.app.zone)
    return await present_one(session, submission)


@router.post(
    "/{submission_id}/withdraw", response_model=SubmissionOut, responses=responses(NotFound, SubmissionNotPending)
)
async def withdraw_submission(submission_id: UUID, session: Tx, user: CurrentUser) -> SubmissionOut:
    """Take back your own PENDING submission, for good."""
    return await present_one(session, await service.withdraw(session, user.id, submission_id))
