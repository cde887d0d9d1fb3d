from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.orm import Base, created_at, uuid_pk


class Alert(Base):
    """What became of a rule: one row each, written at its first evaluation."""

    __tablename__ = "alerts"

    id: Mapped[uuid_pk]
    rule: Mapped[str] = mapped_column(unique=True)
    severity: Mapped[str]
    title: Mapped[str]
    status: Mapped[str]
    since: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]
    count: Mapped[int] = mapped_column(BigInteger)
    summary: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    announced: Mapped[bool]
    noticed_at: Mapped[datetime | None]
    looked_at: Mapped[datetime | None]


class AlertEvent(Base):
    """Errors of one kind that a process has seen since it wrote before; `counted` once an evaluation has taken them."""

    __tablename__ = "alert_events"

    id: Mapped[uuid_pk]
    rule: Mapped[str]
    count: Mapped[int] = mapped_column(Integer)
    last_at: Mapped[datetime]
    evidence: Mapped[dict[str, Any]]
    counted: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[created_at]


class AlertSample(Base):
    """How full the pool of a process was when it last looked: pools are not visible from outside."""

    __tablename__ = "alert_samples"

    process: Mapped[UUID] = mapped_column(primary_key=True)
    pool_size: Mapped[int]
    pool_in_use: Mapped[int]
    sampled_at: Mapped[datetime]


class AlertSilence(Base):
    """No notices from `starts_at` to `ends_at`: of one rule, or of all (`rule` NULL, a maintenance window)."""

    __tablename__ = "alert_silences"

    id: Mapped[uuid_pk]
    rule: Mapped[str | None]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    reason: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[created_at]


class AlertNotice(Base):
    """A notice for one channel. It is due at `next_attempt_at`, until it is delivered or given up."""

    __tablename__ = "alert_notices"

    id: Mapped[uuid_pk]
    alert_id: Mapped[UUID] = mapped_column(ForeignKey("alerts.id"))
    channel: Mapped[str]
    message: Mapped[dict[str, Any]]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    delivered_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


Index("alert_events_counted_idx", AlertEvent.rule, postgresql_where=~AlertEvent.counted)
Index("alert_events_created_at_idx", AlertEvent.created_at)
Index("alert_silences_ends_at_idx", AlertSilence.ends_at)
Index("alert_notices_alert_id_idx", AlertNotice.alert_id)
Index(
    "alert_notices_due_idx",
    AlertNotice.next_attempt_at,
    postgresql_where=AlertNotice.delivered_at.is_(None) & AlertNotice.given_up_at.is_(None),
)
