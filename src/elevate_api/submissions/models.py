from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Computed, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.orm import NOW, Base, created_at, uuid_pk

_COUNT = "CASE WHEN activity_code = 'AMPLIFY' THEN payload_count(payload, '{}') END"


class Submission(Base):
    """Evidence for a stage. The triggers of migration 0001 keep workflow, version, quota and hourly limit."""

    __tablename__ = "submissions"

    id: Mapped[uuid_pk]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    activity_code: Mapped[str] = mapped_column(ForeignKey("activities.code"))
    status: Mapped[str] = mapped_column(server_default="PENDING")
    version: Mapped[int] = mapped_column(server_default=text("1"))
    visibility: Mapped[str] = mapped_column(server_default="PRIVATE")
    payload: Mapped[dict[str, Any]]
    peers_trained: Mapped[int | None] = mapped_column(Computed(_COUNT.format("peersTrained"), persisted=True))
    students_trained: Mapped[int | None] = mapped_column(Computed(_COUNT.format("studentsTrained"), persisted=True))
    reviewer_id: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    review_note: Mapped[str | None]
    points_awarded: Mapped[int | None]
    adjustment_reason: Mapped[str | None]
    reviewed_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    revoked_at: Mapped[datetime | None]
    revoke_reason: Mapped[str | None]
    files_added: Mapped[int] = mapped_column(server_default=text("0"))
    """Evidence files finished so far, removed ones included. Counted by a trigger; each raises the version."""
    created_at: Mapped[created_at]
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)


class ReviewClaim(Base):
    """Who has taken a submission to review it, and until when. An expired row is as good as none."""

    __tablename__ = "review_claims"

    submission_id: Mapped[UUID] = mapped_column(ForeignKey("submissions.id"), primary_key=True)
    reviewer_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    claimed_at: Mapped[datetime] = mapped_column(server_default=NOW)
    expires_at: Mapped[datetime]


_ACTIVE_LEARN = text("activity_code = 'LEARN' AND status IN ('PENDING', 'APPROVED')")
Index("submissions_one_active_learn", Submission.user_id, unique=True, postgresql_where=_ACTIVE_LEARN)
Index(
    "submissions_certificate_hash_key",
    func.lower(Submission.payload["certificateHash"].astext),
    unique=True,
    postgresql_where=text("activity_code = 'LEARN' AND status = 'APPROVED'"),
)
Index("submissions_user_id_created_at_idx", Submission.user_id, Submission.created_at, Submission.id)
Index(
    "submissions_public_idx",
    Submission.user_id,
    Submission.created_at,
    Submission.id,
    postgresql_where=text("status = 'APPROVED' AND visibility = 'PUBLIC'"),
)
Index("submissions_queue_idx", Submission.created_at, Submission.id, postgresql_where=text("status = 'PENDING'"))
Index("submissions_created_at_idx", Submission.created_at)
Index("submissions_reviewer_id_idx", Submission.reviewer_id, postgresql_where=text("reviewer_id IS NOT NULL"))
Index(
    "submissions_co_facilitators_idx",
    Submission.payload.op("->")(text("'coFacilitators'::text")),
    postgresql_using="gin",
    postgresql_where=text("activity_code = 'AMPLIFY'"),
)
Index(
    "submissions_evidence_link_idx",
    func.evidence_link(Submission.payload),
    postgresql_where=text("activity_code = 'PRESENT'"),
)
Index(
    "submissions_evidence_text_idx",
    func.evidence_text(Submission.payload),
    postgresql_where=text("activity_code = 'EXPLORE'"),
)
Index("review_claims_reviewer_id_idx", ReviewClaim.reviewer_id, ReviewClaim.expires_at)
