"""Alerts and silences on the wire."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from elevate_api.alerts.evaluate import Status
from elevate_api.alerts.rules import Name, Severity
from elevate_api.kit.schemas import Instant, Schema, Text


class AlertOut(Schema):
    """A rule and what became of it. Times are null where there is nothing to tell."""

    id: UUID
    rule: Name
    severity: Severity
    title: str = Field(examples=["Too many submissions wait for review"])
    status: Status
    since: Instant | None = Field(description="Start of the condition, while it lasts.")
    opened_at: Instant | None = Field(description="When it last fired.")
    last_seen_at: Instant | None
    resolved_at: Instant | None
    acknowledged_at: Instant | None
    acknowledged_by: str | None = Field(description="A user id, or `cli`.")
    count: int = Field(description="How often the condition was seen since it began; of errors, how many happened.")
    summary: str = Field(examples=["63 submissions wait for review"])
    evidence: dict[str, Any] = Field(examples=[{"pending": 63, "limit": 50}])


class NewSilence(Schema):
    """No notices for a while: of one rule, or of every rule (a maintenance window)."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"endsAt": "2025-01-31T20:00:00Z", "reason": "PostgreSQL upgrade"}]}
    )

    rule: Name | None = Field(None, description="Null: every rule.")
    starts_at: Instant | None = Field(None, description="Null: now.")
    ends_at: Instant
    reason: Annotated[Text, Field(min_length=1, max_length=500, examples=["PostgreSQL upgrade"])]

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.starts_at is not None and self.ends_at <= self.starts_at:
            raise ValueError("endsAt must be after startsAt")
        return self


class SilenceOut(Schema):
    id: UUID
    rule: Name | None = Field(description="Null: every rule.")
    starts_at: Instant
    ends_at: Instant
    reason: str
    created_by: str = Field(description="A user id, or `cli`.")
    created_at: Instant
