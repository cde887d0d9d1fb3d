"""What the health routes answer. Nothing here names a host, a person or a secret."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from elevate_api.kit.schemas import Instant, Schema


class Verdict(StrEnum):
    """`warn` degrades the service, `fail` makes it unusable."""

    PASS = "pass"  # noqa: S105  (no password)
    WARN = "warn"
    FAIL = "fail"


class CheckOut(Schema):
    name: str = Field(examples=["views"])
    status: Verdict
    detail: str = Field(examples=["all six refreshed within 1800 s"])


class ViewHealthOut(Schema):
    """A materialized view; nulls where it is missing, was never refreshed or could not be read."""

    name: str = Field(examples=["leaderboard_totals"])
    size_bytes: int | None = Field(examples=[81920])
    size: str | None = Field(examples=["80 kB"])
    rows: int | None = Field(description="Counted by the last successful refresh.", examples=[200])
    age_seconds: float | None = Field(description="Since the last successful refresh started.", examples=[42.5])
    last_refresh_ok: bool | None


class DatabaseHealthOut(Schema):
    latency_seconds: float = Field(description="Of one small query.", examples=[0.0006])
    size_bytes: int | None = Field(description="At most half a minute old.", examples=[12_345_678])
    version: str = Field(description="Of PostgreSQL.", examples=["17.5"])


class MigrationsOut(Schema):
    current: str | None = Field(description="The database's revision; null before the first migration.")
    head: str = Field(description="The newest revision that this code knows.")
    up_to_date: bool


class PoolOut(Schema):
    """Connections of this process."""

    size: int = Field(examples=[20])
    in_use: int = Field(examples=[3])
    utilization: float = Field(ge=0, description="inUse / size.", examples=[0.15])


class SchedulerOut(Schema):
    """The scheduler of this process."""

    running: bool
    last_tick_at: Instant | None


class HealthOut(Schema):
    """The database can be used; `degraded` where something wants attention (a check says `warn`)."""

    status: Literal["healthy", "degraded"]
    views: list[ViewHealthOut]
    recent_submissions: int | None = Field(description="Submissions created in the last 24 hours.", examples=[37])
    database: DatabaseHealthOut
    migrations: MigrationsOut
    pool: PoolOut
    scheduler: SchedulerOut
    checks: list[CheckOut]
    checked_at: Instant


class UnhealthyOut(Schema):
    """The database cannot be used."""

    status: Literal["unhealthy"]
    checks: list[CheckOut]


class ReadyOut(Schema):
    """Whether traffic may come: the database answers, and is migrated at least as far as this code."""

    status: Literal["ready", "not ready"]
    checks: list[CheckOut]


class LiveOut(Schema):
    """The process answers."""

    status: Literal["live"]
