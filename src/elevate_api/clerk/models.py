from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.orm import Base, created_at


class ClerkEvent(Base):
    """A webhook message that was taken in; `svix_id` stays the same when it is sent again. Holds no personal data."""

    __tablename__ = "clerk_events"

    svix_id: Mapped[str] = mapped_column(primary_key=True)
    event_type: Mapped[str]
    user_id: Mapped[str | None]
    outcome: Mapped[str]
    event_time: Mapped[datetime | None]
    created_at: Mapped[created_at]


Index("clerk_events_user_id_idx", ClerkEvent.user_id, ClerkEvent.event_type)
Index("clerk_events_created_at_idx", ClerkEvent.created_at)
