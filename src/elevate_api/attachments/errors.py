import json
from typing import Any, ClassVar

from elevate_api.kit.problems import Conflict, ConstraintProblems, DatabaseError, Problem
from elevate_api.submissions.errors import SubmissionNotPending


class AttachmentLimitReached(Problem):
    status = 409
    code = "ATTACHMENT_LIMIT_REACHED"
    title = "Too many files"
    detail = "A submission has at most 5 files; one that was announced and not finished counts for two hours."
    example: ClassVar[dict[str, Any]] = {"limit": 5}


class AttachmentNotUploaded(Problem):
    status = 409
    code = "ATTACHMENT_NOT_UPLOADED"
    title = "Nothing uploaded yet"
    detail = "Nothing has arrived at the upload URL yet."


class AttachmentRefused(Problem):
    """What arrived is not what was announced, or may not be stored; it has been removed. `reason` says which."""

    status = 422
    code = "ATTACHMENT_REFUSED"
    title = "File refused"
    detail = "The file that arrived is not the one that was announced. It was removed; announce it again."
    example: ClassVar[dict[str, Any]] = {"reason": "SHA256_DIFFERS"}


class StorageUnavailable(Problem):
    status = 503
    code = "STORAGE_UNAVAILABLE"
    title = "File store unavailable"
    detail = "The file store cannot answer right now; nothing was changed. Try again shortly."
    default_headers: ClassVar = {"Retry-After": "10"}


class ScanUnavailable(Problem):
    status = 503
    code = "SCAN_UNAVAILABLE"
    title = "Scanner unavailable"
    detail = "Files are scanned before they are accepted, and the scanner does not answer. Try again shortly."
    default_headers: ClassVar = {"Retry-After": "30"}


class UploadLinkInvalid(Problem):
    status = 403
    code = "UPLOAD_LINK_INVALID"
    title = "Link not valid"
    detail = "This link was changed, is for another request, or has expired."


def _limit(error: DatabaseError) -> Problem:
    limit = json.loads(error.detail or "{}").get("limit", 5)
    return AttachmentLimitReached(limit=limit)


CONSTRAINTS: ConstraintProblems = {
    "submission_attachments_limit": _limit,
    "submission_attachments_pending": lambda _: SubmissionNotPending(),
    "submission_attachments_frozen": lambda _: Conflict("This file is finished and never changes."),
}
