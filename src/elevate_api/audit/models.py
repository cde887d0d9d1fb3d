from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.orm import Base, created_at, uuid_pk


class AuditEntry(Base):
    """Who did what to what. `actor_id` is NULL for the system itself; `details` holds no personal data."""

    __tablename__ = "audit_log"

    id: Mapped[uuid_pk]
    actor_id: Mapped[str | None]
    action: Mapped[str]
    target_type: Mapped[str]
    target_id: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    request_id: Mapped[str | None]
    created_at: Mapped[created_at]


Index("audit_log_created_at_idx", AuditEntry.created_at, AuditEntry.id)
Index("audit_log_actor_id_idx", AuditEntry.actor_id, AuditEntry.created_at, AuditEntry.id)
Index("audit_log_target_idx", AuditEntry.target_type, AuditEntry.target_id, AuditEntry.created_at, AuditEntry.id)
Index("audit_log_target_id_idx", AuditEntry.target_id, AuditEntry.created_at, AuditEntry.id)
Index("audit_log_action_idx", AuditEntry.action, AuditEntry.created_at, AuditEntry.id)
