from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.orm import Base, created_at, uuid_pk


class KajabiEvent(Base):
    """An authentic delivery, stored before anything can fail. `body` is what arrived, byte for byte.

    Empty once the person was erased. On a PROCESSED row `contact_id` is the one in the name of the ledger row:
    for a delivery that named none, the contact bound to the person, or `user:<id>`.
    """

    __tablename__ = "kajabi_events"
    __table_args__ = (
        CheckConstraint(
            "status IN ('RECEIVED', 'PROCESSED', 'DUPLICATE', 'IGNORED', 'UNMATCHED', 'FAILED')",
            name="kajabi_events_status",
        ),
        CheckConstraint(
            "status <> 'PROCESSED' OR (user_id IS NOT NULL AND contact_id IS NOT NULL AND tag IS NOT NULL "
            "AND points_awarded BETWEEN 0 AND 1000)",
            name="kajabi_events_processed",
        ),
        CheckConstraint("(status = 'DUPLICATE') = (duplicate_of IS NOT NULL)", name="kajabi_events_duplicate"),
    )

    id: Mapped[uuid_pk]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    body_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    event_type: Mapped[str | None]
    contact_id: Mapped[str | None]
    email: Mapped[str | None]
    tag: Mapped[str | None]
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    status: Mapped[str] = mapped_column(server_default="RECEIVED")
    points_awarded: Mapped[int | None]
    duplicate_of: Mapped[UUID | None] = mapped_column(ForeignKey("kajabi_events.id"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime | None]
    error: Mapped[str | None]
    event_time: Mapped[datetime | None]
    processed_at: Mapped[datetime | None]
    created_at: Mapped[created_at]


Index("kajabi_events_status_created_at_idx", KajabiEvent.status, KajabiEvent.created_at, KajabiEvent.id)
_PROCESSED, _FAILED = text("status = 'PROCESSED'"), text("status = 'FAILED'")
Index("kajabi_events_user_id_tag_key", KajabiEvent.user_id, KajabiEvent.tag, unique=True, postgresql_where=_PROCESSED)
Index(
    "kajabi_events_contact_id_tag_key",
    KajabiEvent.contact_id,
    KajabiEvent.tag,
    unique=True,
    postgresql_where=_PROCESSED,
)
Index("kajabi_events_body_key", KajabiEvent.body_sha256, unique=True, postgresql_where=text("duplicate_of IS NULL"))
Index("kajabi_events_body_copies_idx", KajabiEvent.body_sha256, postgresql_where=text("duplicate_of IS NOT NULL"))
Index("kajabi_events_contact_id_idx", KajabiEvent.contact_id, KajabiEvent.tag)
Index("kajabi_events_email_idx", KajabiEvent.email)
Index("kajabi_events_user_id_idx", KajabiEvent.user_id, postgresql_where=text("user_id IS NOT NULL"))
Index("kajabi_events_duplicate_of_idx", KajabiEvent.duplicate_of, postgresql_where=text("duplicate_of IS NOT NULL"))
Index("kajabi_events_next_attempt_at_idx", KajabiEvent.next_attempt_at, postgresql_where=_FAILED)
