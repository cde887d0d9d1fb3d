from typing import Any

from pydantic import Field

from elevate_api.kit.schemas import Instant, Schema

Rows = list[dict[str, Any]]


class ErasureOut(Schema):
    erase_at: Instant | None = Field(description="When everything personal goes; null when nothing is asked for.")


class PersonalDataOut(Schema):
    """Everything that is held about a person. Rows have the columns of our tables, in camelCase."""

    exported_at: Instant
    person: dict[str, Any]
    submissions: Rows
    attachments: Rows = Field(description="The files themselves are at `GET /api/attachments/{id}`.")
    points: Rows
    adjustments: Rows
    badges: Rows
    kajabi_events: Rows = Field(description="What Kajabi told us, as it came.")
    clerk_events: Rows
    audit_trail: Rows = Field(description="What was done by and to this person.")
    repeatable_requests: Rows = Field(description="Answers kept for 24 hours under an Idempotency-Key.")
    decisions: Rows = Field(description="As a reviewer: what was decided and written.")
    revocations: Rows
    adjustments_made: Rows
    badges_awarded: Rows
    review_claims: Rows
