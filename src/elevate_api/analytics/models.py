"""Records of refreshes, and the totals that the database keeps by itself.

The totals are written by folds and rebuilds, nothing here writes them: they are mapped so that models and migrations
can be compared, and read by plain queries (docs/decisions/totals.md).
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.orm import Base, uuid_pk

_ZERO = text("0")


class AnalyticsRefresh(Base):
    """One refresh of one view. Its age counts from `started_at`: what was written later is not in it.

    `inputs` says what the view was made of; `unchanged` that nothing of it had changed, so the view was left as it is.
    """

    __tablename__ = "analytics_refreshes"

    id: Mapped[uuid_pk]
    job_id: Mapped[UUID | None]
    view_name: Mapped[str]
    triggered_by: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    row_count: Mapped[int | None] = mapped_column(BigInteger)
    ok: Mapped[bool]
    error: Mapped[str | None]
    fingerprint: Mapped[str | None]
    inputs: Mapped[str | None]
    unchanged: Mapped[bool] = mapped_column(server_default=text("false"))


Index("analytics_refreshes_view_name_started_at_idx", AnalyticsRefresh.view_name, AnalyticsRefresh.started_at)


def _count() -> Mapped[int]:
    return mapped_column(BigInteger, server_default=_ZERO)


class UserTotals(Base):
    """Of whoever has a ledger row or a submission. `reached_at` is that of the last ledger row; `stages_submitted` has
    a bit for each stage with a submission: LEARN 1, EXPLORE 2, AMPLIFY 4, PRESENT 8, SHINE 16.

    A rebuild puts a new table in its place; whoever reads uses the view `user_totals`.
    """

    __tablename__ = "user_totals_rows"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    on_board: Mapped[bool]
    cohort: Mapped[str | None]
    school: Mapped[str | None]
    total_points: Mapped[int] = _count()
    entries: Mapped[int] = _count()
    reached_at: Mapped[datetime | None]
    points_30d: Mapped[int] = _count()
    entries_30d: Mapped[int] = _count()
    learn_points: Mapped[int] = mapped_column(server_default=_ZERO)
    explore_points: Mapped[int] = mapped_column(server_default=_ZERO)
    amplify_points: Mapped[int] = mapped_column(server_default=_ZERO)
    present_points: Mapped[int] = mapped_column(server_default=_ZERO)
    shine_points: Mapped[int] = mapped_column(server_default=_ZERO)
    submissions: Mapped[int] = mapped_column(server_default=_ZERO)
    approved: Mapped[int] = mapped_column(server_default=_ZERO)
    pending: Mapped[int] = mapped_column(server_default=_ZERO)
    stages_submitted: Mapped[int] = mapped_column(SmallInteger, server_default=_ZERO)


def _board(name: str, points: str, *filters: str) -> None:
    """An index in board order: points, then who reached them first, then id."""
    table = UserTotals.__table__
    columns: list[Any] = [table.c[column] for column in filters]
    columns += [text(f"{points} DESC"), table.c.reached_at, table.c.user_id]
    shown = text(f"on_board AND {points} > 0")
    Index(f"user_totals_rows_{name}_idx", *columns, postgresql_where=shown)


for _period, _points in (("all", "total_points"), ("30d", "points_30d")):
    _board(_period, _points)
    _board(f"{_period}_cohort", _points, "cohort")
    _board(f"{_period}_school", _points, "school")


class ScoreCount(Base):
    """How many people of the board have a score. rank = 1 + sum(people) where points > mine."""

    __tablename__ = "score_histogram"
    __table_args__ = (CheckConstraint("period IN ('all', '30d')", name="score_histogram_period"),)

    period: Mapped[str] = mapped_column(primary_key=True)
    points: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    people: Mapped[int] = mapped_column(BigInteger)


class StageTotals(Base):
    """A stage, all time. `review_seconds` is the sum of what `reviews` decisions took."""

    __tablename__ = "stage_totals"

    activity_code: Mapped[str] = mapped_column(primary_key=True)
    points: Mapped[int] = _count()
    entries: Mapped[int] = _count()
    people_with_points: Mapped[int] = _count()
    submissions: Mapped[int] = _count()
    pending: Mapped[int] = _count()
    approved: Mapped[int] = _count()
    rejected: Mapped[int] = _count()
    withdrawn: Mapped[int] = _count()
    revoked: Mapped[int] = _count()
    participants: Mapped[int] = _count()
    reviews: Mapped[int] = _count()
    review_seconds: Mapped[Decimal] = mapped_column(Numeric, server_default=_ZERO)
    peers_reached: Mapped[int] = _count()
    students_reached: Mapped[int] = _count()
    micro_credentials: Mapped[int] = _count()


class DayTotals(Base):
    """A stage on one of the last 90 days of the programme's zone; `people` submitted that day."""

    __tablename__ = "day_totals"

    day: Mapped[date] = mapped_column(primary_key=True)
    activity_code: Mapped[str] = mapped_column(primary_key=True)
    submissions: Mapped[int] = _count()
    approved: Mapped[int] = _count()
    rejected: Mapped[int] = _count()
    points: Mapped[int] = _count()
    entries: Mapped[int] = _count()
    people: Mapped[int] = _count()


# Notes for the next fold, without a key: nothing ever looks for one of them.
Table(
    "submission_changes",  # what a submission counted before (sign -1) or counts now (+1)
    Base.metadata,
    Column("stamp", BigInteger, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("activity_code", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("reviewed_at", DateTime(timezone=True)),
    Column("peers", Integer),
    Column("students", Integer),
    Column("sign", SmallInteger, nullable=False),
    Column("added", Boolean, nullable=False),
)
Table("people_changes", Base.metadata, Column("user_id", Text, nullable=False))
Table("grant_changes", Base.metadata, Column("sign", SmallInteger, nullable=False))
Table("rebuild_requests", Base.metadata, Column("reason", Text, nullable=False))


class TotalsState(Base):
    """The one row that says up to where the totals are folded, and their versions.

    A version is raised when something that its readers see has changed. `as_of` is the start of the last fold that
    changed something, at most 15 seconds behind the last one.
    """

    __tablename__ = "totals_state"
    __table_args__ = (CheckConstraint("singleton", name="totals_state_singleton"),)

    singleton: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    folded: Mapped[str]
    base: Mapped[int] = _count()
    own_stamp: Mapped[int | None] = mapped_column(BigInteger)
    system_identifier: Mapped[int] = mapped_column(BigInteger)
    timezone: Mapped[str]
    first_day: Mapped[date]
    swept_to: Mapped[datetime]
    as_of: Mapped[datetime]
    version_all: Mapped[int] = _count()
    version_30d: Mapped[int] = _count()
    version_people: Mapped[int] = _count()
    version_ledger: Mapped[int] = _count()
    version_submissions: Mapped[int] = _count()
    ledger_folded: Mapped[int] = _count()
    swept: Mapped[int] = _count()
    submissions_folded: Mapped[int] = _count()
    people_folded: Mapped[int] = _count()
    rebuilt_at: Mapped[datetime]
    rebuilt_because: Mapped[str]
