from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.orm import Base, created_at, uuid_pk


class SubmissionAttachment(Base):
    """A file of evidence: `size_bytes` bytes, `sha256` in lower-case hex; unfinished while `completed_at` is NULL."""

    __tablename__ = "submission_attachments"
    __table_args__ = (UniqueConstraint("storage_key", name="submission_attachments_storage_key_key"),)

    id: Mapped[uuid_pk]
    submission_id: Mapped[UUID] = mapped_column(ForeignKey("submissions.id"), index=True)
    filename: Mapped[str]
    content_type: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    storage_key: Mapped[str]
    completed_at: Mapped[datetime | None]
    created_at: Mapped[created_at]
