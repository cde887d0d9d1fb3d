from urllib.parse import urljoin
from uuid import UUID

from fastapi import Request, Response

from elevate_api.attachments import service
from elevate_api.attachments.errors import (
    AttachmentLimitReached,
    AttachmentNotUploaded,
    AttachmentRefused,
    ScanUnavailable,
    StorageUnavailable,
)
from elevate_api.attachments.names import ContentType
from elevate_api.attachments.schemas import NewAttachment, UploadOut
from elevate_api.attachments.setup import Evidence
from elevate_api.attachments.storage import ObjectMissing
from elevate_api.config import Settings
from elevate_api.kit.db import Tx
from elevate_api.kit.idempotency import PROBLEMS as KEY_PROBLEMS
from elevate_api.kit.problems import NotFound, render, responses
from elevate_api.kit.routing import Router
from elevate_api.submissions.errors import SubmissionNotPending
from elevate_api.submissions.schemas import AttachmentOut
from elevate_api.users.guards import CurrentUser
from elevate_api.users.idempotency import Idempotent

router = Router(prefix="/api", tags=["submissions"])


def evidence_of(request: Request) -> Evidence:
    evidence: Evidence = request.app.state.evidence
    return evidence


@router.post(
    "/submissions/{submission_id}/attachments",
    status_code=201,
    response_model=UploadOut,
    responses=responses(NotFound, SubmissionNotPending, AttachmentLimitReached, StorageUnavailable, *KEY_PROBLEMS),
)
async def announce_attachment(
    request: Request, submission_id: UUID, new: NewAttachment, session: Tx, user: CurrentUser, _idempotent: Idempotent
) -> UploadOut:
    """Announce a file of your own PENDING submission and get a URL to upload it to. At most 5, 10 MB each."""
    attachment, upload = await service.announce(session, evidence_of(request), user.id, submission_id, new)
    return UploadOut(
        id=attachment.id,
        upload_url=urljoin(_own_address(request), upload.url),
        method=upload.method,
        headers=upload.headers,
        expires_at=upload.expires_at,
    )


@router.post(
    "/submissions/{submission_id}/attachments/{attachment_id}/complete",
    response_model=AttachmentOut,
    responses=responses(
        NotFound,
        SubmissionNotPending,
        AttachmentLimitReached,
        AttachmentNotUploaded,
        AttachmentRefused,
        StorageUnavailable,
        ScanUnavailable,
    ),
)
async def complete_attachment(
    request: Request, submission_id: UUID, attachment_id: UUID, session: Tx, user: CurrentUser
) -> AttachmentOut | Response:
    """Say that the file is there. It is checked (size, sha256, its kind by its bytes) and then part of the evidence.

    It raises the submission's `version`. A file that is not what was announced is removed; announce it again.
    """
    done = await service.complete(session, evidence_of(request), user.id, submission_id, attachment_id)
    if isinstance(done, AttachmentRefused):
        return render(done, request.scope)
    fields = {name: getattr(done, name) for name in AttachmentOut.model_fields if name != "size"}
    return AttachmentOut(size=done.size_bytes, **fields)


@router.get(
    "/attachments/{attachment_id}",
    status_code=302,
    response_class=Response,
    responses={
        302: {"description": "The file, as a download, at a URL that works for 15 minutes.", "content": {}},
        **responses(NotFound, StorageUnavailable),
    },
)
async def download_attachment(request: Request, attachment_id: UUID, session: Tx, user: CurrentUser) -> Response:
    """A file of your own; reviewers may read any."""
    file = await service.readable(session, user, attachment_id)
    storage = evidence_of(request).storage
    try:
        url = await storage.sign_download(file.storage_key, ContentType(file.content_type), file.filename)
    except ObjectMissing:
        raise NotFound("The file itself is gone from the store.") from None
    return Response(status_code=302, headers={"Location": url})


def _own_address(request: Request) -> str:
    settings: Settings = request.app.state.settings
    return settings.app.api_url or str(request.base_url)
