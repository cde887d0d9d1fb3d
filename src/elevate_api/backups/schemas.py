from uuid import UUID

from pydantic import Field

from elevate_api.kit.schemas import Instant, Schema


class RunOut(Schema):
    """A run of a backup or a drill; unfinished while `finishedAt` is null."""

    job_id: UUID
    triggered_by: str = Field(examples=["scheduler"])
    started_at: Instant
    finished_at: Instant | None
    ok: bool | None
    error: str | None = Field(description="Why it failed, for administrators.")
    backup: str | None = Field(description="Id for `elevate backup restore`.", examples=["20261122T020000Z-full-1f3a"])
    kind: str | None = Field(examples=["full"])
    taken_at: Instant | None = Field(description="The moment whose state the backup holds.")
    size_bytes: int | None
    encrypted: bool | None
    ledger_rows: int | None


class ObjectiveOut(Schema):
    objective: str = Field(examples=["Point data"])
    limit_seconds: float
    measured_seconds: float
    ok: bool


class DrillOut(RunOut):
    """A backup restored and proven; what a disaster at that moment would have cost."""

    steps: dict[str, float] = Field(description="Seconds of each step.")
    recovery_time_seconds: float | None
    recovery_point_seconds: float | None
    objectives: list[ObjectiveOut]
    notes: list[str]


class BackupsOut(Schema):
    """The newest first."""

    backups: list[RunOut]
    drills: list[DrillOut]
