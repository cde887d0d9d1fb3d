from uuid import UUID

from pydantic import Field

from elevate_api.kit.schemas import Instant, Schema
from elevate_api.points.rules import ActivityCode


class StagePointsOut(Schema):
    activity_code: ActivityCode
    points: int
    entries: int = Field(description="Ledger rows that the points are the sum of.")


class PointsSummaryOut(Schema):
    """Sums over the ledger itself, exact at the moment of the answer."""

    total_points: int
    entries: int
    by_activity: list[StagePointsOut]
    first_points_at: Instant | None
    last_points_at: Instant | None


class LedgerEntryOut(Schema):
    """A row of the ledger. `eventTime` is when it happened in the world, `createdAt` when it was recorded."""

    id: UUID
    activity_code: ActivityCode
    source: str = Field(description="MANUAL, WEBHOOK or FORM.", examples=["FORM"])
    delta_points: int
    external_event_id: str | None = Field(examples=["submission:0198f2a4-7c1e-7b3a-9d54-2f6f0f3a1c11:approved:v1"])
    event_time: Instant
    created_at: Instant
