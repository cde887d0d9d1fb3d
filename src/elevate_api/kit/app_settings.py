"""Settings that the database itself reads: limits, the programme's zone, switches."""

from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.orm import NOW, Base


class AppSetting(Base):
    __tablename__ = "app_settings"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Any] = mapped_column(JSONB)
    description: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)
