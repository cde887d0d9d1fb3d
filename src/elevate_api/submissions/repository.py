from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, tuple_

from elevate_api.kit.repository import Repository
from elevate_api.submissions.models import Submission

PageKey = tuple[datetime, UUID]
"""(created_at, id) of the last submission of a page."""


@dataclass(frozen=True, slots=True)
class Attachment:
    id: UUID
    filename: str
    content_type: str
    size: int
    sha256: str
    created_at: datetime


_ATTACHMENTS = text("""
    SELECT submission_id, id, filename, content_type, size_bytes AS size, sha256, created_at
    FROM submission_attachments WHERE submission_id = ANY(:ids) AND completed_at IS NOT NULL ORDER BY created_at, id
""")


class SubmissionRepository(Repository):
    async def add(self, submission: Submission) -> Submission:
        """Insert; the triggers judge it here, so their refusal is raised here."""
        self._session.add(submission)
        await self._session.flush()
        await self._session.refresh(submission)
        return submission

    async def save(self, submission: Submission) -> Submission:
        """Write the changes; version, times and refusals are the triggers'."""
        await self._session.flush()
        await self._session.refresh(submission)
        return submission

    async def get(self, submission_id: UUID) -> Submission | None:
        return await self._session.get(Submission, submission_id)

    async def owner_of(self, submission_id: UUID) -> str | None:
        """The person whose lock comes before the submission's; it never changes."""
        statement = select(Submission.user_id).where(Submission.id == submission_id)
        return (await self._session.execute(statement)).scalar()

    async def lock(self, submission_id: UUID) -> Submission | None:
        """Lock and read afresh. The caller holds the owner's lock: person first, submission second, everywhere."""
        statement = select(Submission).where(Submission.id == submission_id).with_for_update()
        found = await self._session.execute(statement.execution_options(populate_existing=True))
        return found.scalar()

    async def of_person(
        self, user_id: str, *, activity_code: str | None, status: str | None, limit: int, after: PageKey | None
    ) -> list[Submission]:
        """Newest first."""
        statement = select(Submission).where(Submission.user_id == user_id)
        if activity_code is not None:
            statement = statement.where(Submission.activity_code == activity_code)
        if status is not None:
            statement = statement.where(Submission.status == status)
        if after is not None:
            statement = statement.where(tuple_(Submission.created_at, Submission.id) < tuple_(*after))
        statement = statement.order_by(Submission.created_at.desc(), Submission.id.desc()).limit(limit)
        return list((await self._session.execute(statement)).scalars())

    async def has_awarded_approval(self, user_id: str, activity_code: str, besides: UUID) -> bool:
        """Whether another submission of the stage is APPROVED with points.

        An approval by an operator's own SQL names no points; its ledger row was written by hand, so it counts.
        """
        awarded = Submission.points_awarded.is_(None) | (Submission.points_awarded > 0)
        statement = (
            select(Submission.id)
            .where(
                Submission.user_id == user_id,
                Submission.activity_code == activity_code,
                Submission.status == "APPROVED",
                Submission.id != besides,
                awarded,
            )
            .limit(1)
        )
        return (await self._session.execute(statement)).scalar() is not None

    async def attachments(self, submission_ids: Sequence[UUID]) -> dict[UUID, list[Attachment]]:
        """Finished uploads of each submission, oldest first."""
        found: dict[UUID, list[Attachment]] = {submission_id: [] for submission_id in submission_ids}
        if not found:
            return found
        for row in await self._session.execute(_ATTACHMENTS, {"ids": list(found)}):
            facts: dict[str, Any] = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
            found[facts.pop("submission_id")].append(Attachment(**facts))
        return found
