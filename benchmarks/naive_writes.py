"""Submitting and approving as one would first write them: FastAPI, the ORM, a transaction a request, the same rules.

What the database itself keeps (quota, hourly limit, workflow, one approval a certificate) it keeps for them, as they
work on the service's own tables; the rest they ask for row by row. Tokens are verified as the service does.
"""

import os
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api import models as _models  # noqa: F401 - tables refer to each other
from elevate_api.activities.models import Activity
from elevate_api.attachments.models import SubmissionAttachment
from elevate_api.audit.models import AuditEntry
from elevate_api.auth.caller import verified_claims
from elevate_api.auth.claims import Claims
from elevate_api.auth.setup import build_verifier
from elevate_api.badges.criteria import Facts, is_met
from elevate_api.badges.models import Badge, EarnedBadge
from elevate_api.config import Settings
from elevate_api.kit.db import Address, Database, Tx
from elevate_api.points.models import LedgerEntry
from elevate_api.points.rules import ActivityCode, StageRates, Standing, compute_award
from elevate_api.submissions.models import ReviewClaim, Submission
from elevate_api.submissions.schemas import AttachmentOut, NewSubmission
from elevate_api.users.models import User


class Shown(BaseModel):
    model_config = ConfigDict(from_attributes=True, alias_generator=to_camel, populate_by_name=True)

    id: UUID
    user_id: str
    activity_code: str
    status: str
    version: int
    visibility: str
    payload: dict[str, Any]
    attachments: list[AttachmentOut] = Field(default_factory=list)
    reviewer_id: str | None
    review_note: str | None
    points_awarded: int | None
    created_at: datetime
    updated_at: datetime
    reviewed_at: datetime | None


class Approval(BaseModel):
    note: str | None = None
    version: int | None = None


class Approved(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    submission: Shown
    points_awarded: int
    badges_earned: list[str]


async def caller(session: Tx, claims: Annotated[Claims, Depends(verified_claims)]) -> User:
    user = await session.get(User, claims.sub)
    if user is None or user.erased_at is not None or user.suspended_at is not None:
        raise HTTPException(403)
    return user


Caller = Annotated[User, Depends(caller)]


def writes() -> FastAPI:
    settings = Settings.load(None)
    app = FastAPI()
    app.state.settings = settings
    app.state.verifier = build_verifier(settings)
    app.state.database = Database(Address.parse(os.environ["DATABASE_URL"]), pool_size=20)

    @app.post("/api/submissions", status_code=201)
    async def submit(session: Tx, user: Caller, new: NewSubmission) -> Shown:
        if any(value > date.today() for value in vars(new.payload).values() if type(value) is date):  # noqa: DTZ011
            raise HTTPException(422)
        submission = Submission(
            user_id=user.id,
            activity_code=new.activity_code,
            visibility=new.visibility,
            payload=new.payload.model_dump(mode="json", by_alias=True, exclude_none=True),
        )
        session.add(submission)
        await session.flush()
        await session.refresh(submission)
        audit(session, user.id, "submission.create", "submission", str(submission.id), version=submission.version)
        return await _shown(session, submission)

    @app.post("/api/review/{submission_id}/approve")
    async def approve(submission_id: UUID, approval: Approval, session: Tx, user: Caller) -> Approved:
        if user.role == "PARTICIPANT":
            raise HTTPException(403)
        return await _approve(session, user, submission_id, approval)

    return app


async def _approve(session: AsyncSession, reviewer: User, submission_id: UUID, approval: Approval) -> Approved:
    owner = await session.scalar(select(Submission.user_id).where(Submission.id == submission_id))
    if owner is None:
        raise HTTPException(404)
    await session.execute(select(User.id).where(User.id == owner).with_for_update(key_share=True))
    submission = await session.get(Submission, submission_id, with_for_update=True)
    if submission is None or owner == reviewer.id or submission.status != "PENDING":
        raise HTTPException(409)
    if approval.version not in (None, submission.version):
        raise HTTPException(409)
    claim = await session.get(ReviewClaim, submission_id)
    if (
        claim is not None
        and claim.reviewer_id != reviewer.id
        and claim.expires_at > datetime.now(claim.expires_at.tzinfo)
    ):
        raise HTTPException(409)
    points = await _award(session, submission)
    submission.status, submission.reviewer_id, submission.review_note = "APPROVED", reviewer.id, approval.note
    submission.points_awarded = points
    await session.flush()
    await session.refresh(submission)
    if points:
        cause = f"submission:{submission.id}:approved:v1"
        entry = LedgerEntry(user_id=owner, activity_code=submission.activity_code, source="FORM", delta_points=points)
        entry.external_event_id, entry.event_time = cause, submission.reviewed_at or func.now()
        session.add(entry)
        await session.flush()
    badges = await grant(session, owner)
    if claim is not None:
        await session.delete(claim)
    audit(session, reviewer.id, "submission.approve", "submission", str(submission.id), points=points, badges=badges)
    return Approved(submission=await _shown(session, submission), points_awarded=points, badges_earned=badges)


async def _shown(session: AsyncSession, submission: Submission) -> Shown:
    files = await session.scalars(
        select(SubmissionAttachment)
        .where(SubmissionAttachment.submission_id == submission.id, SubmissionAttachment.completed_at.is_not(None))
        .order_by(SubmissionAttachment.created_at, SubmissionAttachment.id)
    )
    shown = Shown.model_validate(submission)
    shown.attachments = [
        AttachmentOut(
            id=file.id, filename=file.filename, content_type=file.content_type, size=file.size_bytes,
            sha256=file.sha256, created_at=file.created_at,
        )
        for file in files
    ]  # fmt: skip
    return shown


async def _award(session: AsyncSession, submission: Submission) -> int:
    activity = await session.get_one(Activity, submission.activity_code)
    same = (Submission.user_id == submission.user_id, Submission.activity_code == submission.activity_code)
    of_stage = (LedgerEntry.user_id == submission.user_id, LedgerEntry.activity_code == submission.activity_code)
    entries = (await session.scalars(select(LedgerEntry).where(*of_stage))).all()
    others = (await session.scalars(select(Submission).where(*same, Submission.status == "APPROVED"))).all()
    rates = StageRates(
        ActivityCode(activity.code),
        activity.default_points,
        activity.points_cap,
        activity.per_peer_points,
        activity.per_student_points,
    )
    awarded = sum(e.delta_points for e in entries if not (e.external_event_id or "").startswith("adjustment:"))
    standing = Standing(awarded, any(other.points_awarded != 0 for other in others))
    people = {"peers": submission.peers_trained or 0, "students": submission.students_trained or 0}
    return compute_award(rates, standing, **people).points


async def grant(session: AsyncSession, person: str) -> list[str]:
    """Every badge that the person has not and meets the criteria of."""
    earned = set(await session.scalars(select(EarnedBadge.badge_code).where(EarnedBadge.user_id == person)))
    badges = [badge for badge in await session.scalars(select(Badge).where(Badge.active)) if badge.code not in earned]
    points = await session.execute(
        select(LedgerEntry.activity_code, func.sum(LedgerEntry.delta_points))
        .where(LedgerEntry.user_id == person).group_by(LedgerEntry.activity_code)
    )  # fmt: skip
    approvals = await session.execute(
        select(Submission.activity_code, func.count())
        .where(Submission.user_id == person, Submission.status == "APPROVED").group_by(Submission.activity_code)
    )  # fmt: skip
    facts = Facts({code: int(sum_) for code, sum_ in points}, dict(approvals.tuples().all()))
    new = sorted(badge.code for badge in badges if badge.criteria and is_met(badge.criteria, facts))
    for code in new:
        session.add(EarnedBadge(user_id=person, badge_code=code))
        audit(session, None, "badge.grant", "user", person, badge=code)
    await session.flush()
    return new


def audit(session: AsyncSession, actor: str | None, action: str, kind: str, target: str, **details: Any) -> None:
    """Written with the next flush."""
    entry = AuditEntry(actor_id=actor, action=action, target_type=kind, target_id=target, details=details)
    session.add(entry)
