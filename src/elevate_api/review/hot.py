"""Decisions in one round trip: `migrations/sql/review_submission`, and `review_submissions` for many."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from elevate_api.activities.codes import ActivityCode
from elevate_api.kit.context import current_request_id
from elevate_api.kit.problems import DatabaseError, NotFound, Problem, ValidationFailed
from elevate_api.kit.work import UnitOfWork
from elevate_api.review.errors import (
    AlreadyReviewed,
    ClaimedByAnother,
    OwnSubmission,
    PointAdjustmentOutOfBounds,
    SubmissionChanged,
)
from elevate_api.submissions.errors import SubmissionNotPending
from elevate_api.submissions.schemas import AttachmentOut, SubmissionOut, SubmissionStatus, Visibility
from elevate_api.users.caller import Caller

_ONE = "SELECT * FROM review_submission($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
_MANY = "SELECT * FROM review_submissions($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
BY_DATABASE = "by the database"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reviewer says about one submission; `points` None stands for the computed ones."""

    submission_id: UUID
    approved: bool
    note: str | None
    version: int | None
    points: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    submission: SubmissionOut
    points_awarded: int
    badges_earned: list[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One of many. `refusal` is why nothing was done about it, `refused` what the database said where it was that."""

    points_awarded: int | None
    badges_earned: list[str]
    refusal: Problem | None = None
    refused: DatabaseError | None = None


async def decide(work: UnitOfWork, caller: Caller, said: Verdict) -> Decided:
    """Raises what the guard does, what `refusal_of` makes, and by constraint CertificateAlreadyUsed."""
    rows = await caller.run(
        work,
        _ONE,
        said.submission_id,
        said.approved,
        said.note,
        said.points,
        said.reason,
        said.version,
        current_request_id(),
    )
    _verdict, refusal, facts, points, badges, *submission, files = rows[0]
    if refusal is not None:
        raise refusal_of(refusal, facts or {})
    return Decided(_submission(submission, files), points or 0, badges)


async def decide_many(work: UnitOfWork, caller: Caller, said: Sequence[Verdict]) -> list[Outcome]:
    """One outcome for each, in the order given. Raises what the guard does."""
    rows = await caller.run(
        work,
        _MANY,
        [one.submission_id for one in said],
        [one.approved for one in said],
        [one.note for one in said],
        [one.version for one in said],
        current_request_id(),
    )
    return [_outcome(row) for row in sorted(rows, key=lambda row: int(row[1]))]


def refusal_of(refusal: str, facts: Mapping[str, Any]) -> Problem:
    """The problem for a word of `decide_submissions`, with the facts that go with it."""
    return _REFUSALS[refusal](**facts)


_REFUSALS: Mapping[str, Callable[..., Problem]] = {
    "not found": NotFound,
    "own": OwnSubmission,
    "withdrawn": lambda: SubmissionNotPending("The submission was withdrawn by its owner."),
    "reviewed": AlreadyReviewed,
    "changed": SubmissionChanged,
    "claimed": ClaimedByAnother,
    "out of bounds": PointAdjustmentOutOfBounds,
    "no reason": lambda: ValidationFailed.at("/reason", "is required when the points differ from the computed ones"),
}


def _outcome(row: Sequence[Any]) -> Outcome:
    _verdict, _place, refusal, facts, points, badges, state, constraint, table, message, detail, context = row
    if refusal == BY_DATABASE:
        refused = DatabaseError(constraint or None, state, detail or None, message, table or None, context)
        return Outcome(None, [], refused=refused)
    return Outcome(points, badges or [], None if refusal is None else refusal_of(refusal, facts or {}))


def _submission(row: Sequence[Any], files: list[dict[str, Any]] | None) -> SubmissionOut:
    (
        submission_id, user_id, stage, status, version, visibility, payload, reviewer_id, review_note, points,
        created_at, updated_at, reviewed_at,
    ) = row  # fmt: skip
    return SubmissionOut.model_construct(
        id=submission_id,
        user_id=user_id,
        activity_code=ActivityCode(stage),
        status=SubmissionStatus(status),
        version=version,
        visibility=Visibility(visibility),
        payload=payload,
        attachments=[AttachmentOut.model_validate(file) for file in files or ()],
        reviewer_id=reviewer_id,
        review_note=review_note,
        points_awarded=points,
        created_at=created_at,
        updated_at=updated_at,
        reviewed_at=reviewed_at,
    )
