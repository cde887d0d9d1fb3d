from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue

from elevate_api.kit.schemas import Body, Instant, Schema
from elevate_api.points.rules import ActivityCode
from elevate_api.submissions.payloads import AmplifyPayload, ExplorePayload, LearnPayload, PresentPayload, ShinePayload


class SubmissionStatus(StrEnum):
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    REVOKED = "REVOKED"


class Visibility(StrEnum):
    PRIVATE = "PRIVATE"
    PUBLIC = "PUBLIC"


class _NewSubmission(Body):
    visibility: Visibility = Visibility.PRIVATE


class NewLearn(_NewSubmission):
    activity_code: Literal["LEARN"]
    payload: LearnPayload


class NewExplore(_NewSubmission):
    activity_code: Literal["EXPLORE"]
    payload: ExplorePayload


class NewAmplify(_NewSubmission):
    activity_code: Literal["AMPLIFY"]
    payload: AmplifyPayload


class NewPresent(_NewSubmission):
    activity_code: Literal["PRESENT"]
    payload: PresentPayload


class NewShine(_NewSubmission):
    activity_code: Literal["SHINE"]
    payload: ShinePayload


NewSubmission = Annotated[
    NewLearn | NewExplore | NewAmplify | NewPresent | NewShine, Field(discriminator="activity_code")
]


class SubmissionEdit(Body):
    """What is given replaces what is there; the payload as a whole, in the form of the submission's own stage."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"visibility": "PUBLIC"}]})

    payload: dict[str, JsonValue] | None = Field(default=None, min_length=1)
    visibility: Visibility | None = None


class AttachmentOut(Schema):
    id: UUID
    filename: str
    content_type: str
    size: int = Field(description="Bytes.")
    sha256: str
    created_at: Instant


class SubmissionOut(Schema):
    id: UUID
    user_id: str
    activity_code: ActivityCode
    status: SubmissionStatus
    version: int = Field(description="Raised by every edit; a decision names the version that the reviewer saw.")
    visibility: Visibility
    payload: dict[str, Any]
    attachments: list[AttachmentOut]
    reviewer_id: str | None
    review_note: str | None
    points_awarded: int | None
    created_at: Instant
    updated_at: Instant
    reviewed_at: Instant | None
