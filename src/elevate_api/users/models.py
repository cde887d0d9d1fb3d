from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.orm import NOW, Base, created_at


class User(Base):
    """A person. `id` is Clerk's; an erased person keeps it as a pseudonym and nothing else."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("length(id) BETWEEN 1 AND 255", name="users_id"),
        CheckConstraint("handle ~ '^[a-z0-9_-]{3,30}$'", name="users_handle"),
        CheckConstraint("role IN ('PARTICIPANT', 'REVIEWER', 'ADMIN', 'SUPERADMIN')", name="users_role"),
        UniqueConstraint("handle", name="users_handle_key"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    handle: Mapped[str]
    name: Mapped[str] = mapped_column(server_default="")
    email: Mapped[str | None]
    email_verified: Mapped[bool] = mapped_column(server_default=text("false"))
    role: Mapped[str] = mapped_column(server_default="PARTICIPANT")
    avatar_url: Mapped[str | None]
    region: Mapped[str | None]
    school: Mapped[str | None]
    cohort: Mapped[str | None]
    show_on_leaderboard: Mapped[bool] = mapped_column(server_default=text("true"))
    kajabi_contact_id: Mapped[str | None]
    suspended_at: Mapped[datetime | None]
    erase_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]
    clerk_updated_at: Mapped[datetime | None]
    created_at: Mapped[created_at]
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)


Index(
    "users_verified_email_key",
    func.lower(User.email),
    unique=True,
    postgresql_where=text("email_verified AND erased_at IS NULL"),
)
Index("users_email_idx", func.lower(User.email))
Index("users_kajabi_contact_id_key", User.kajabi_contact_id, unique=True)
Index("users_created_at_idx", User.created_at, User.id)
Index("users_role_created_at_idx", User.role, User.created_at, User.id)
Index("users_cohort_created_at_idx", User.cohort, User.created_at, User.id)
Index("users_school_created_at_idx", User.school, User.created_at, User.id)
Index("users_erase_at_idx", User.erase_at, postgresql_where=text("erase_at IS NOT NULL AND erased_at IS NULL"))
