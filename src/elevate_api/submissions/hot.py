"""Submitting in one round trip: `migrations/sql/submit_evidence`."""

import json
from typing import Any

from elevate_api.activities.codes import ActivityCode
from elevate_api.kit.context import current_request_id
from elevate_api.kit.work import UnitOfWork
from elevate_api.submissions.schemas import SubmissionOut, SubmissionStatus, Visibility
from elevate_api.users.caller import Caller

_SUBMIT = "SELECT * FROM submit_evidence($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"


async def submit(
    work: UnitOfWork, caller: Caller, stage: str, evidence: dict[str, Any], visibility: Visibility
) -> SubmissionOut:
    """Insert for the caller, with the audit row. Raises what the guard and the triggers refuse."""
    document = json.dumps(evidence, ensure_ascii=False)
    rows = await caller.run(work, _SUBMIT, stage, document, visibility.value, current_request_id())
    _verdict, submission_id, version, payload, created_at, updated_at = rows[0]
    return SubmissionOut.model_construct(
        id=submission_id,
        user_id=caller.id,
        activity_code=ActivityCode(stage),
        status=SubmissionStatus.PENDING,
        version=version,
        visibility=visibility,
        payload=payload,
        attachments=[],
        reviewer_id=None,
        review_note=None,
        points_awarded=None,
        created_at=created_at,
        updated_at=updated_at,
        reviewed_at=None,
    )
