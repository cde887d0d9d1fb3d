import json
from typing import Any, ClassVar

from elevate_api.kit.i18n import phrase
from elevate_api.kit.problems import Conflict, ConstraintProblems, DatabaseError, Problem, ValidationFailed


class SubmissionNotPending(Problem):
    status = 409
    code = "SUBMISSION_NOT_PENDING"
    title = "Submission is not pending"
    detail = "Only a submission that is still PENDING can be changed or withdrawn."


class LearnAlreadyActive(Problem):
    status = 409
    code = "LEARN_ALREADY_ACTIVE"
    title = "A LEARN submission is active already"
    detail = "You have a LEARN submission that is PENDING or APPROVED; there can be one."


class CertificateAlreadyUsed(Problem):
    status = 409
    code = "CERTIFICATE_ALREADY_USED"
    title = "Certificate already used"
    detail = "This certificate has been approved for somebody already."


class AmplifyQuotaExceeded(Problem):
    """Peers and students that PENDING and APPROVED AMPLIFY submissions name in any 7 days are limited."""

    status = 409
    code = "AMPLIFY_QUOTA_EXCEEDED"
    title = "AMPLIFY quota exceeded"
    detail = "Your AMPLIFY submissions of 7 days would name more people than the quota allows."
    example: ClassVar[dict[str, Any]] = {
        "limit": {"peers": 50, "students": 200},
        "used": {"peers": 45, "students": 120},
        "requested": {"peers": 10, "students": 0},
        "resets_at": "2025-02-07T03:15:00.000000Z",
    }


class SubmissionRateLimited(Problem):
    status = 429
    code = "SUBMISSION_RATE_LIMITED"
    title = "Too many submissions"
    detail = "At most 10 submissions in any 60 minutes, withdrawn ones included."


def _quota(error: DatabaseError) -> Problem:
    return AmplifyQuotaExceeded(**json.loads(error.detail or "{}"))


def _hourly(error: DatabaseError) -> Problem:
    facts = json.loads(error.detail or "{}")
    return SubmissionRateLimited(
        phrase("At most {limit} submissions in any 60 minutes, withdrawn ones included.", limit=facts["limit"]),
        headers={"Retry-After": str(max(1, int(facts["retry_after_seconds"])))},
    )


def _counts(_error: DatabaseError) -> Problem:
    return ValidationFailed.at("/payload", "peersTrained and studentsTrained are whole numbers, not both 0")


CONSTRAINTS: ConstraintProblems = {
    "submissions_one_active_learn": lambda _: LearnAlreadyActive(),
    "submissions_certificate_hash_key": lambda _: CertificateAlreadyUsed(),
    "submissions_amplify_quota": _quota,
    "submissions_amplify_counts": _counts,
    "submissions_hourly_limit": _hourly,
    "submissions_workflow": lambda _: Conflict("The submission has been decided meanwhile."),
    "submissions_evidence_frozen": lambda _: SubmissionNotPending(),
}
