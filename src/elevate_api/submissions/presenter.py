"""Submissions as they go over the wire."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.submissions.models import Submission
from elevate_api.submissions.repository import Attachment, SubmissionRepository
from elevate_api.submissions.schemas import AttachmentOut, SubmissionOut


def present(submission: Submission, attachments: Sequence[Attachment]) -> SubmissionOut:
    fields = {name: getattr(submission, name) for name in SubmissionOut.model_fields if name != "attachments"}
    return SubmissionOut(attachments=[AttachmentOut.model_validate(file) for file in attachments], **fields)


async def present_all(session: AsyncSession, submissions: Sequence[Submission]) -> list[SubmissionOut]:
    files = await SubmissionRepository(session).attachments([submission.id for submission in submissions])
    return [present(submission, files[submission.id]) for submission in submissions]


async def present_one(session: AsyncSession, submission: Submission) -> SubmissionOut:
    return (await present_all(session, [submission]))[0]
