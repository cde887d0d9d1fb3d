from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.orm import Base, created_at, uuid_pk


class KajabiEvent(Base):
    """An authentic delivery, stored before anything can fail. `body` is what arrived, byte for byte."""

    __tablename__ = "kajabi_events"

    id: Mapped[uuid_pk]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    body_sha256: Mapped[bytes] = mapped_column(LargeBinary, index=True)
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
