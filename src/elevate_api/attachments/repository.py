from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, text, update

from elevate_api.attachments.models import AttachmentRemoval, SubmissionAttachment
from elevate_api.kit.repository import Repository
from elevate_api.submissions.models import Submission


@dataclass(frozen=True, slots=True)
class Found:
    """A file, whose it is, and where its submission stands."""

    attachment: SubmissionAttachment
    owner_id: str
    status: str


class AttachmentRepository(Repository):
    async def find(self, attachment_id: UUID) -> Found | None:
        statement = (
            select(SubmissionAttachment, Submission.user_id, Submission.status)
            .join(Submission, Submission.id == SubmissionAttachment.submission_id)
            .where(SubmissionAttachment.id == attachment_id)
        )
        row = (await self._session.execute(statement)).one_or_none()
        return None if row is None else Found(*row)

    async def add(self, attachment: SubmissionAttachment) -> None:
        """Insert; the trigger's refusal is raised here."""
        self._session.add(attachment)
        await self._session.flush()

    async def finish(self, attachment_id: UUID) -> bool:
        """Mark as finished; False when somebody else did, or it is gone. The triggers' refusals are raised here."""
        statement = (
            update(SubmissionAttachment)
            .where(SubmissionAttachment.id == attachment_id, SubmissionAttachment.completed_at.is_(None))
            .values(completed_at=func.clock_timestamp())
            .returning(SubmissionAttachment.id)
            .execution_options(synchronize_session=False)
        )
        return (await self._session.execute(statement)).scalar() is not None

    async def remove_unfinished(self, attachment_id: UUID) -> bool:
        """Remove the row of a file that was not accepted; a trigger has its object removed."""
        statement = (
            delete(SubmissionAttachment)
            .where(SubmissionAttachment.id == attachment_id, SubmissionAttachment.completed_at.is_(None))
            .returning(SubmissionAttachment.id)
            .execution_options(synchronize_session=False)
        )
        return (await self._session.execute(statement)).scalar() is not None

    async def remove_stale(self, before: datetime) -> int:
        """Remove rows of uploads announced before then and never finished."""
        statement = (
            delete(SubmissionAttachment)
            .where(SubmissionAttachment.completed_at.is_(None), SubmissionAttachment.created_at < before)
            .returning(SubmissionAttachment.id)
            .execution_options(synchronize_session=False)
        )
        return len((await self._session.execute(statement)).scalars().all())

    async def due_removals(self, limit: int) -> Sequence[str]:
        statement = (
            select(AttachmentRemoval.storage_key)
            .where(AttachmentRemoval.due_at <= func.clock_timestamp())
            .order_by(AttachmentRemoval.due_at)
            .limit(limit)
        )
        return (await self._session.execute(statement)).scalars().all()

    async def removed(self, keys: Sequence[str]) -> None:
        """Forget those that no upload can bring back; the others come round once more."""
        await self._session.execute(text(_FORGET), {"keys": list(keys)})
        await self._session.execute(text(_LATER), {"keys": list(keys)})

    async def known(self, keys: Sequence[str]) -> set[str]:
        """Which of these keys a row or a removal answers for."""
        found = await self._session.execute(text(_KNOWN), {"keys": list(keys)})
        return set(found.scalars())

    async def finished_between(self, since: datetime, until: datetime) -> dict[str, UUID]:
        """Key and id of the finished files announced in that time."""
        statement = select(SubmissionAttachment.storage_key, SubmissionAttachment.id).where(
            SubmissionAttachment.completed_at.is_not(None),
            SubmissionAttachment.created_at >= since,
            SubmissionAttachment.created_at < until,
        )
        return {row.storage_key: row.id for row in await self._session.execute(statement)}

    async def order_removal(self, keys: Sequence[str]) -> None:
        """Have objects removed that no row answers for."""
        await self._session.execute(text(_ORDER), {"keys": list(keys)})


_FORGET = "DELETE FROM attachment_removals WHERE storage_key = ANY(:keys) AND upload_until < clock_timestamp()"
_LATER = "UPDATE attachment_removals SET due_at = upload_until WHERE storage_key = ANY(:keys)"
_KNOWN = """
SELECT storage_key FROM submission_attachments WHERE storage_key = ANY(:keys)
UNION SELECT storage_key FROM attachment_removals WHERE storage_key = ANY(:keys)
"""
_ORDER = """
INSERT INTO attachment_removals (storage_key, upload_until)
SELECT key, clock_timestamp() FROM unnest(CAST(:keys AS text[])) AS key ON CONFLICT (storage_key) DO NOTHING
"""
