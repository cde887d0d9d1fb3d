from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from elevate_api.kajabi.rules import Status
from elevate_api.kit.schemas import Instant, Schema, Text


class ReceiptOut(Schema):
    """What a delivery came to. A duplicate answers the event, status and points of the first."""

    event_id: UUID
    status: Status
    duplicate: bool
    points_awarded: int


class KajabiEventOut(Schema):
    """A stored delivery. Times are in UTC; `eventTime` only where the delivery told one."""

    id: UUID
    status: Status
    event_type: str | None = Field(examples=["tag_added"])
    contact_id: str | None
    email: str | None
    tag: str | None
    user_id: str | None = Field(description="Whom it was matched to.")
    points_awarded: int | None = Field(description="Once processed, for good; null before.")
    duplicate_of: UUID | None
    attempts: int
    next_attempt_at: Instant | None = Field(description="Of a FAILED event; null when it waits for an administrator.")
    error: str | None = Field(description="Why it is IGNORED or FAILED.")
    event_time: Instant | None
    processed_at: Instant | None
    created_at: Instant


class KajabiEventDetail(KajabiEventOut):
    body: str = Field(description="What arrived, as text; empty once the person was erased.")


class MatchRequest(Schema):
    model_config = ConfigDict(json_schema_extra={"examples": [{"userId": "user_2abc123"}]})

    user_id: Annotated[Text, Field(min_length=1, max_length=255)]


class ReplayRequest(Schema):
    """Every event of one status, the oldest first, at most 100 a call; `cursor` goes on where the last call ended."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "UNMATCHED"}]})

    status: Status
    cursor: Annotated[str, Field(max_length=1024)] | None = None


class ReplayOut(Schema):
    examined: int
    changed: int
    failed: int
    points_awarded: int
    next_cursor: str | None = Field(description="Null when every event of the status was looked at.")
