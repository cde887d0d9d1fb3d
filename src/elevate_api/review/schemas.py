from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from elevate_api.kit.schemas import Body, Instant, Schema, Text, Whole
from elevate_api.points.rules import ActivityCode
from elevate_api.submissions.schemas import SubmissionOut

Note = Annotated[Text, Field(min_length=1, max_length=2000)]
Version = Annotated[Whole, Field(ge=1, le=2**31 - 1)]


class SubmitterOut(Schema):
    id: str
    handle: str
    name: str
    avatar_url: str | None
    cohort: str | None
    school: str | None


class ClaimOut(Schema):
    reviewer_id: str
    claimed_at: Instant
    expires_at: Instant


class WarningOut(Schema):
    """Something to look at twice. It never blocks a decision."""

    code: str = Field(examples=["DUPLICATE_SESSION"])
    message: str
    submission_id: UUID | None = Field(description="The other submission, where there is one.")


class RejectionOut(Schema):
    submission_id: UUID
    activity_code: ActivityCode
    note: str
    reviewed_at: Instant


class HistoryOut(Schema):
    """What the submitter has done so far, this submission included."""

    submissions: dict[str, dict[str, int]] = Field(
        description="By stage and status; what there is none of is left out.",
        examples=[{"EXPLORE": {"APPROVED": 1, "PENDING": 1}}],
    )
    total_points: int = Field(description="Net points of the ledger, at this moment.")
    rejected: int = Field(description="Rejections so far.")
    last_rejections: list[RejectionOut] = Field(description="Up to three, the latest first.")
    member_since: Instant


class QueueItemOut(Schema):
    submission: SubmissionOut
    submitter: SubmitterOut
    history: HistoryOut
    waiting_seconds: int
    claim: ClaimOut | None = Field(description="Who holds it now; null when it is free.")
    warnings: list[WarningOut]
    suspicion_score: int = Field(ge=0, le=100)
    computed_points: int = Field(description="What an approval would award now.")


class QueueItemsOut(Schema):
    items: list[QueueItemOut]


class ClaimRequest(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"count": 10, "activityCode": "AMPLIFY"}]})

    count: Annotated[Whole, Field(ge=1, le=20)] = 1
    activity_code: ActivityCode | None = None


class Approval(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "A clear account.", "version": 1}]})

    note: Note | None = None
    points: Annotated[Whole, Field(ge=0, le=1000)] | None = Field(
        default=None, description="Instead of the computed points, within 20 % of them and never beyond a cap."
    )
    reason: Note | None = Field(default=None, description="Why the points differ; required when they do.")
    version: Version | None = Field(default=None, description="The version that you saw.")


class Rejection(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"note": "Please name the day of the session.", "version": 1}]}
    )

    note: Note
    version: Version | None = Field(default=None, description="The version that you saw.")


class Revocation(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The certificate belongs to somebody else."}]})

    reason: Note


class ApprovalOut(Schema):
    submission: SubmissionOut
    points_awarded: int
    badges_earned: list[str]


class BulkDecision(Body):
    id: UUID
    decision: Literal["approve", "reject"]
    note: Note | None = Field(default=None, description="Required to reject.")
    version: Version | None = None


class BulkRequest(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"decisions": [{"id": "0198f3d0-9c3b-7cc2-a4b7-e21d6f0f5a10", "decision": "approve", "version": 1}]}
            ]
        }
    )

    decisions: list[BulkDecision] = Field(min_length=1, max_length=100)


class BulkResult(Schema):
    id: UUID
    ok: bool
    points_awarded: int | None = None
    problem: dict[str, Any] | None = Field(default=None, description="As a problem answer would be.")


class BulkOut(Schema):
    results: list[BulkResult]


class AdjustmentRequest(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "userId": "user_2abc123",
                    "activityCode": "LEARN",
                    "deltaPoints": 20,
                    "reason": "A course before 2024.",
                }
            ]
        }
    )

    user_id: Annotated[Text, Field(min_length=1, max_length=255)]
    activity_code: ActivityCode
    delta_points: Annotated[Whole, Field(ge=-1000, le=1000)] = Field(description="Not 0.")
    reason: Note


class AdjustmentOut(Schema):
    id: UUID
    user_id: str
    activity_code: ActivityCode
    delta_points: int
    reason: str
    created_by: str
    created_at: Instant
    badges_earned: list[str]
