from typing import Any
from uuid import UUID

from pydantic import Field

from elevate_api.kit.schemas import Instant, Schema


class AuditEntryOut(Schema):
    """Who did what to what. Details name facts, never personal data."""

    id: UUID
    actor_id: str | None = Field(description="Null for the system itself.", examples=["user_2abc123"])
    action: str = Field(examples=["submission.approve"])
    target_type: str = Field(examples=["submission"])
    target_id: str
    details: dict[str, Any]
    request_id: str | None
    created_at: Instant
