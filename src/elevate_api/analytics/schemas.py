"""What the refresh endpoint answers."""

from uuid import UUID

from pydantic import Field

from elevate_api.kit.schemas import Schema


class ViewRefreshOut(Schema):
    view: str = Field(examples=["leaderboard_totals"])
    duration_seconds: float = Field(examples=[0.31])
    rows: int | None = Field(description="Rows of the view afterwards; null where the refresh failed.", examples=[200])
    ok: bool
    error: str | None = Field(None, description="Why it failed, in words; only there when it did.")


class RefreshOut(Schema):
    """A finished run; the views that could be refreshed were, whatever happened to the others."""

    job_id: UUID
    views: list[ViewRefreshOut]


class RunningOut(Schema):
    """Another call is refreshing: this is its run."""

    job_id: UUID
    running: bool = Field(description="Always true.", examples=[True])
