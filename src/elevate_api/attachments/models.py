from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.orm import NOW, Base, created_at, uuid_pk


class SubmissionAttachment(Base):
    """A file of evidence: `size_bytes` bytes, `sha256` in lower-case hex; unfinished while `completed_at` is NULL.

    The triggers of migration 0003 keep the limit and that a file is added only while its submission is PENDING.
    """

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


class AttachmentRemoval(Base):
    """An object to remove from the store. Written by a trigger whenever a file's row goes.

    It is removed at `due_at`, and once more after `upload_until`: until then a signed upload URL may bring it back.
    """

    __tablename__ = "attachment_removals"

    storage_key: Mapped[str] = mapped_column(primary_key=True)
    upload_until: Mapped[datetime]
    due_at: Mapped[datetime] = mapped_column(server_default=NOW)
    created_at: Mapped[created_at]


Index("attachment_removals_due_at_idx", AttachmentRemoval.due_at)
Index(
    "submission_attachments_sha256_idx",
    SubmissionAttachment.sha256,
    postgresql_where=text("completed_at IS NOT NULL"),
)
Index(
    "submission_attachments_unfinished_idx",
    SubmissionAttachment.created_at,
    postgresql_where=text("completed_at IS NULL"),
)
