"""Announcing, accepting and reading evidence files."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO
from uuid import UUID

import uuid_utils
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.attachments.errors import (
    AttachmentNotUploaded,
    AttachmentRefused,
    ScanUnavailable,
    StorageUnavailable,
)
from elevate_api.attachments.inspection import Inspection, Refusal
from elevate_api.attachments.models import SubmissionAttachment
from elevate_api.attachments.names import ContentType, clean_name
from elevate_api.attachments.repository import AttachmentRepository, Found
from elevate_api.attachments.scanning import Scanner
from elevate_api.attachments.schemas import NewAttachment
from elevate_api.attachments.setup import Evidence
from elevate_api.attachments.storage import ObjectMissing, SignedUpload, new_key
from elevate_api.audit.service import record
from elevate_api.auth.roles import Role
from elevate_api.kit.clock import utcnow
from elevate_api.kit.problems import NotFound
from elevate_api.submissions.errors import SubmissionNotPending
from elevate_api.submissions.repository import SubmissionRepository
from elevate_api.users.models import User
from elevate_api.users.service import lock_person

INSPECTION_SECONDS = 60


async def announce(
    session: AsyncSession, evidence: Evidence, user_id: str, submission_id: UUID, new: NewAttachment
) -> tuple[SubmissionAttachment, SignedUpload]:
    """Reserve a place for a file. Raises NotFound, SubmissionNotPending, AttachmentLimitReached, StorageUnavailable.

    The link is signed first: it needs the network, and the insert takes the person's lock.
    """
    submission = await SubmissionRepository(session).get(submission_id)
    if submission is None or submission.user_id != user_id:
        raise NotFound
    if submission.status != "PENDING":
        raise SubmissionNotPending
    attachment_id = UUID(str(uuid_utils.uuid7()))
    key = new_key(attachment_id, utcnow())
    upload = await evidence.storage.sign_upload(key, new.content_type, new.size)
    attachment = SubmissionAttachment(
        id=attachment_id,
        submission_id=submission_id,
        filename=clean_name(new.filename, new.content_type),
        content_type=new.content_type.value,
        size_bytes=new.size,
        sha256=new.sha256,
        storage_key=key,
    )
    await AttachmentRepository(session).add(attachment)
    _audit(session, user_id, "attachment.announce", attachment)
    return attachment, upload


async def complete(
    session: AsyncSession, evidence: Evidence, user_id: str, submission_id: UUID, attachment_id: UUID
) -> SubmissionAttachment | AttachmentRefused:
    """Accept what arrived when it is what was announced; a second call answers the same.

    A refusal is answered, not raised: the file's row goes with it, and raising would bring it back. Raises NotFound,
    SubmissionNotPending, AttachmentNotUploaded, AttachmentLimitReached, StorageUnavailable, ScanUnavailable.
    """
    repository = AttachmentRepository(session)
    found = await repository.find(attachment_id)
    if found is None or found.owner_id != user_id or found.attachment.submission_id != submission_id:
        raise NotFound
    attachment = found.attachment
    if attachment.completed_at is not None:
        return attachment
    if found.status != "PENDING":
        raise SubmissionNotPending
    refusal = await _inspect(evidence, attachment)
    await lock_person(session, user_id)  # before the file's own row, as everywhere
    if refusal is not None:
        if await repository.remove_unfinished(attachment_id):
            _audit(session, user_id, "attachment.refuse", attachment, reason=refusal.value)
        return AttachmentRefused(reason=refusal.value)
    if await repository.finish(attachment_id):
        _audit(session, user_id, "attachment.complete", attachment)
    elif await repository.find(attachment_id) is None:
        raise NotFound  # an erasure, or the refusal of another call, came first
    await session.refresh(attachment)
    return attachment


async def readable(session: AsyncSession, user: User, attachment_id: UUID) -> SubmissionAttachment:
    """A finished file that its owner or a reviewer asks for. Raises NotFound."""
    found = await AttachmentRepository(session).find(attachment_id)
    if found is None or found.attachment.completed_at is None or not _may_read(user, found):
        raise NotFound
    return found.attachment


def _may_read(user: User, found: Found) -> bool:
    return found.owner_id == user.id or Role(user.role).includes(Role.REVIEWER)


async def _inspect(evidence: Evidence, attachment: SubmissionAttachment) -> Refusal | None:
    """Read the object once, before any lock is taken. Raises AttachmentNotUploaded and what storage and scanner do."""
    if evidence.inspections.locked():
        raise StorageUnavailable("Too many files are being checked at once. Try again shortly.")
    try:
        async with evidence.inspections, asyncio.timeout(INSPECTION_SECONDS):
            with NamedTemporaryFile(prefix="evidence-") as copy:
                refusal = await _read(evidence, attachment, copy)
                if refusal is None and evidence.scanner is not None:
                    refusal = await _scan(evidence.scanner, copy)
                return refusal
    except ObjectMissing:
        raise AttachmentNotUploaded from None
    except TimeoutError as error:
        raise StorageUnavailable from error


async def _read(evidence: Evidence, attachment: SubmissionAttachment, copy: IO[bytes]) -> Refusal | None:
    """Judge the bytes; a copy for the scanner is made where there is one."""
    inspection = Inspection(ContentType(attachment.content_type), attachment.size_bytes, attachment.sha256)
    async with aclosing(evidence.storage.read(attachment.storage_key)) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            inspection.feed(piece)
            if evidence.scanner is not None:
                await asyncio.to_thread(copy.write, piece)
            if inspection.is_too_long:
                break
    return inspection.verdict()


async def _scan(scanner: Scanner, copy: IO[bytes]) -> Refusal | None:
    await asyncio.to_thread(copy.flush)
    try:
        return None if await scanner.is_clean(Path(copy.name)) else Refusal.MALWARE
    except OSError as error:
        raise ScanUnavailable from error


def _audit(
    session: AsyncSession, user_id: str, action: str, attachment: SubmissionAttachment, **details: object
) -> None:
    """The name of a file may be anything that its owner wrote, so the trail has only its facts."""
    facts = {"attachment": str(attachment.id), "contentType": attachment.content_type, "size": attachment.size_bytes}
    record(
        session,
        actor_id=user_id,
        action=action,
        target_type="submission",
        target_id=attachment.submission_id,
        details={**facts, **details},
    )
