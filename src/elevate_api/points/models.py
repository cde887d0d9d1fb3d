from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.orm import NOW, Base, created_at, uuid_pk


class LedgerEntry(Base):
    """A row of the append-only ledger; a correction is another row. `event_time` is when it happened in the world.

    `stamp` says which transaction wrote it, for the fold of the totals (docs/decisions/totals.md); nobody sets it.
    """

    __tablename__ = "points_ledger"
    __table_args__ = (UniqueConstraint("external_event_id", name="points_ledger_external_event_id_key"),)

    id: Mapped[uuid_pk]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    activity_code: Mapped[str] = mapped_column(ForeignKey("activities.code"))
    source: Mapped[str]
    delta_points: Mapped[int]
    external_event_id: Mapped[str | None]
    event_time: Mapped[datetime] = mapped_column(server_default=NOW)
    created_at: Mapped[created_at]
    stamp: Mapped[int] = mapped_column(
        BigInteger, server_default=text("0 + pg_current_xact_id()::text::bigint"), deferred=True, index=True
    )


class PointAdjustment(Base):
    """The permanent cause of an administrator's correction."""

    __tablename__ = "point_adjustments"

    id: Mapped[uuid_pk]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    activity_code: Mapped[str] = mapped_column(ForeignKey("activities.code"))
    delta_points: Mapped[int]
    reason: Mapped[str]
    created_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[created_at]


Index("points_ledger_user_id_created_at_idx", LedgerEntry.user_id, LedgerEntry.created_at, LedgerEntry.id)
Index(
    "points_ledger_created_at_idx",
    LedgerEntry.created_at,
    postgresql_using="brin",
    postgresql_with={"autosummarize": "on"},
)
