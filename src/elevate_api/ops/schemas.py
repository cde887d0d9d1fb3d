"""What administrators see of the database: the manual's monitoring queries."""

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from elevate_api.kit.schemas import Instant, Schema

View = Literal[
    "leaderboard_totals", "leaderboard_30d", "activity_metrics",
    "cohort_metrics", "school_metrics", "time_series_metrics",
]  # fmt: skip


class ViewOut(Schema):
    view: str = Field(examples=["leaderboard_totals"])
    state: Literal["filled", "empty", "missing"]
    indexes: int = Field(description="Valid ones.", examples=[4])
    size: str | None = Field(examples=["296 kB"])
    rows: int | None = Field(description="Counted by the last successful refresh.")
    refreshed_at: Instant | None
    age_seconds: float | None
    last_ok: bool | None


class ViewsOut(Schema):
    items: list[ViewOut]


class RelationOut(Schema):
    relation: str = Field(examples=["points_ledger"])
    kind: str = Field(description="database, table or view.", examples=["table"])
    rows: int | None = Field(description="An estimate.")
    total: str = Field(examples=["624 kB"])
    total_bytes: int


class HourOut(Schema):
    hour: Instant
    submissions: int
    approvals: int


class PendingOut(Schema):
    activity_code: str = Field(examples=["EXPLORE"])
    pending: int
    oldest_pending: Instant


class DatabaseOut(Schema):
    """Sizes, the last 24 hours by hour, and what waits for review by stage."""

    relations: list[RelationOut]
    hours: list[HourOut]
    queue: list[PendingOut]


class ConnectionOut(Schema):
    role: str | None
    application: str | None
    state: str = Field(description="`hidden` for other roles' connections.", examples=["idle"])
    connections: int
    longest_seconds: float | None = Field(description="Since the oldest of them changed its state.")


class ConnectionsOut(Schema):
    used: int
    usable: int = Field(description="Connections of the server that ordinary roles may have.")
    share: float
    items: list[ConnectionOut]


class ActiveQueryOut(Schema):
    pid: int
    role: str | None
    application: str | None
    seconds: float | None
    waits_for: str | None = Field(examples=["Lock relation"])
    query: str | None = Field(description="Hidden for other roles' statements.")


class OutlierOut(Schema):
    calls: int
    total_seconds: float
    share: float | None
    mean_seconds: float
    rows: int
    cache_hits: float | None
    query: str | None


class QueriesOut(Schema):
    """`outliers` is null where pg_stat_statements is not installed or not loaded."""

    active: list[ActiveQueryOut]
    outliers: list[OutlierOut] | None


class IndexFindingOut(Schema):
    finding: str = Field(description="invalid, duplicate, unused, bloated or missing.", examples=["unused"])
    table: str | None
    index: str | None
    size: str | None
    scans: int | None
    detail: str


class IndexUseOut(Schema):
    table: str
    index: str
    scans: int
    rows_read: int
    rows_fetched: int
    size: str


class IndexesOut(Schema):
    findings: list[IndexFindingOut]
    usage: list[IndexUseOut]


class QuotaOut(Schema):
    user_id: str
    handle: str
    peers: int
    students: int
    peer_limit: int
    student_limit: int


class QuotasOut(Schema):
    """People above the early warning (40 peers or 150 students in the last 7 days), the fullest first, at most 500."""

    items: list[QuotaOut]


class InvariantOut(Schema):
    name: str = Field(examples=["one_active_learn"])
    title: str
    severity: Literal["error", "warning"]
    ok: bool
    count: int = Field(description="Violations.")
    samples: list[dict[str, str | int | float | bool | None]] = Field(description="The first twenty, ids and figures.")
    duration_seconds: float
    error: str | None = Field(None, description="Why it could not be checked; only there when it could not.")


class IntegrityOut(Schema):
    """The last run's results; nulls and an empty list before the first."""

    job_id: UUID | None
    checked_at: Instant | None
    ok: bool | None = Field(description="Whether no error was found; warnings leave it true.")
    checks: list[InvariantOut]


class DailyHealthOut(Schema):
    job_id: UUID
    checks: list[InvariantOut]


class DayOut(Schema):
    day: date
    points: int
    entries: int
    average: float | None
    unusual: bool = Field(description="Far more than the week before it.")


class AnomaliesOut(Schema):
    """Points by day of the programme's zone: the last seven days, today included."""

    items: list[DayOut]


class MigrationStateOut(Schema):
    current: str | None
    head: str
    pending: list[str]
    ahead: bool = Field(description="The database knows a migration that this code does not.")
    up_to_date: bool


class RefreshRunOut(Schema):
    id: UUID
    job_id: UUID | None
    view_name: str
    triggered_by: str = Field(examples=["scheduler"])
    started_at: Instant
    finished_at: Instant
    row_count: int | None
    ok: bool


class RefreshRequest(Schema):
    model_config = ConfigDict(json_schema_extra={"examples": [{"views": ["leaderboard_totals"]}]})

    views: list[View] | None = Field(None, min_length=1, max_length=6, description="Default: all six.")
