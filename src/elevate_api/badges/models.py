from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.orm import NOW, Base, created_at


class Badge(Base):
    """A badge; `criteria` is read by `badges.criteria`, an empty object means that only people award it."""

    __tablename__ = "badges"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    icon_url: Mapped[str | None]
    criteria: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[created_at]


class EarnedBadge(Base):
    """At most one of each badge per person, for good. `awarded_by` is NULL where the criteria granted it."""

    __tablename__ = "earned_badges"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)
    badge_code: Mapped[str] = mapped_column(ForeignKey("badges.code"), primary_key=True)
    earned_at: Mapped[datetime] = mapped_column(server_default=NOW)
    awarded_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
