from sqlalchemy import SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.orm import Base


class Activity(Base):
    """A stage. Points are whole; `points_cap` is per person and stage, NULL for none."""

    __tablename__ = "activities"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    position: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    default_points: Mapped[int]
    points_cap: Mapped[int | None]
    per_peer_points: Mapped[int] = mapped_column(server_default=text("0"))
    per_student_points: Mapped[int] = mapped_column(server_default=text("0"))
