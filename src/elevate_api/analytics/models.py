from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.orm import Base, uuid_pk


class AnalyticsRefresh(Base):
    """One refresh of one view. Its age counts from `started_at`: what was written later is not in it.

    `inputs` says what the view was made of; `unchanged` that nothing of it had changed, so the view was left as it is.
    """

    __tablename__ = "analytics_refreshes"

    id: Mapped[uuid_pk]
    job_id: Mapped[UUID | None]
    view_name: Mapped[str]
    triggered_by: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    row_count: Mapped[int | None] = mapped_column(BigInteger)
    ok: Mapped[bool]
    error: Mapped[str | None]
    fingerprint: Mapped[str | None]
    inputs: Mapped[str | None]
    unchanged: Mapped[bool] = mapped_column(server_default=text("false"))


Index("analytics_refreshes_view_name_started_at_idx", AnalyticsRefresh.view_name, AnalyticsRefresh.started_at)
