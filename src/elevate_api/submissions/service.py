"""What an owner does with evidence. Limits and workflow are the database's; here is what it cannot know."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.audit.service import record, recorded
from elevate_api.kit.problems import FieldError, NotFound, ValidationFailed
from elevate_api.kit.problems.validation import message_of, pointer
from elevate_api.kit.work import UnitOfWork
from elevate_api.points.rules import ActivityCode
from elevate_api.submissions.errors import SubmissionNotPending
from elevate_api.submissions.hot import submit
from elevate_api.submissions.metrics import CREATED
from elevate_api.submissions.models import Submission
from elevate_api.submissions.payloads import PAYLOADS, Payload, future_dates, stored_form
from elevate_api.submissions.repository import SubmissionRepository
from elevate_api.submissions.schemas import NewSubmission, SubmissionEdit, SubmissionOut
from elevate_api.users.caller import Caller
from elevate_api.users.service import lock_person


async def create(work: UnitOfWork, caller: Caller, new: NewSubmission, now: datetime, zone: ZoneInfo) -> SubmissionOut:
    """Raises what the guard does, LearnAlreadyActive, AmplifyQuotaExceeded, SubmissionRateLimited, ValidationFailed."""
    faults = _future(new.payload, now, zone)
    if faults:
        await caller.admitted(work)
        raise ValidationFailed(errors=faults)
    created = await submit(work, caller, new.activity_code, stored_form(new.payload), new.visibility)
    work.count(CREATED.labels(new.activity_code).inc)
    recorded(work, "submission.create")
    return created


async def edit(
    session: AsyncSession, user_id: str, submission_id: UUID, change: SubmissionEdit, now: datetime, zone: ZoneInfo
) -> Submission:
    """Raises NotFound, SubmissionNotPending, AmplifyQuotaExceeded, ValidationFailed."""
    submission = await _own_pending(session, user_id, submission_id)
    if change.payload is not None:
        payload = _payload_of(ActivityCode(submission.activity_code), change.payload)
        _refuse_future(payload, now, zone)
        submission.payload = stored_form(payload)
    if change.visibility is not None:
        submission.visibility = change.visibility
    await SubmissionRepository(session).save(submission)
    _audit(session, user_id, "submission.edit", submission)
    return submission


async def withdraw(session: AsyncSession, user_id: str, submission_id: UUID) -> Submission:
    """Raises NotFound, SubmissionNotPending."""
    submission = await _own_pending(session, user_id, submission_id)
    submission.status = "WITHDRAWN"
    await SubmissionRepository(session).save(submission)
    _audit(session, user_id, "submission.withdraw", submission)
    return submission


async def _own_pending(session: AsyncSession, user_id: str, submission_id: UUID) -> Submission:
    await lock_person(session, user_id)
    submission = await SubmissionRepository(session).lock(submission_id)
    if submission is None or submission.user_id != user_id:
        raise NotFound
    if submission.status != "PENDING":
        raise SubmissionNotPending
    return submission


def _payload_of(stage: ActivityCode, raw: dict[str, Any]) -> Payload:
    try:
        return PAYLOADS[stage].model_validate(raw)
    except ValidationError as error:
        faults = [FieldError(pointer(["payload", *fault["loc"]]), message_of(fault)) for fault in error.errors()]
        raise ValidationFailed(errors=faults) from error


def _refuse_future(payload: Payload, now: datetime, zone: ZoneInfo) -> None:
    faults = _future(payload, now, zone)
    if faults:
        raise ValidationFailed(errors=faults)


def _future(payload: Payload, now: datetime, zone: ZoneInfo) -> list[FieldError]:
    return [FieldError(f"/payload/{name}", "must not be in the future") for name in future_dates(payload, now, zone)]


def _audit(session: AsyncSession, user_id: str, action: str, submission: Submission) -> None:
    record(
        session,
        actor_id=user_id,
        action=action,
        target_type="submission",
        target_id=submission.id,
        details={"activityCode": submission.activity_code, "version": submission.version},
    )
