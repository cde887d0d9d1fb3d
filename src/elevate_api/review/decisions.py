"""Deciding about submissions: submission, ledger row, badges and audit row in one transaction, which is one statement.

Rules and locks (the submitter first, then the submission) are `migrations/sql/decide_submissions`, the same for one
decision and for many.
"""

from functools import partial
from uuid import UUID

from elevate_api.audit.service import recorded
from elevate_api.kit.work import UnitOfWork
from elevate_api.points import metrics as points_metrics
from elevate_api.review import hot
from elevate_api.review.hot import Decided, Outcome, Verdict
from elevate_api.review.schemas import Approval, Rejection
from elevate_api.users.caller import Caller


async def approve(work: UnitOfWork, caller: Caller, submission_id: UUID, approval: Approval) -> Decided:
    """Approve and award. Raises what `hot.decide` does."""
    said = Verdict(submission_id, True, approval.note, approval.version, approval.points, approval.reason)
    decided = await hot.decide(work, caller, said)
    _count(work, approved=True, points=decided.points_awarded, badges=decided.badges_earned)
    return decided


async def reject(work: UnitOfWork, caller: Caller, submission_id: UUID, rejection: Rejection) -> Decided:
    """Raises what `hot.decide` does."""
    decided = await hot.decide(work, caller, Verdict(submission_id, False, rejection.note, rejection.version))
    _count(work, approved=False)
    return decided


async def decide_many(work: UnitOfWork, caller: Caller, said: list[Verdict]) -> list[Outcome]:
    """Each on its own; one outcome for each, in the order given."""
    outcomes = await hot.decide_many(work, caller, said) if said else []
    for one, outcome in zip(said, outcomes, strict=True):
        if outcome.refused is not None:
            work.report(outcome.refused)
        elif outcome.refusal is None:
            _count(work, approved=one.approved, points=outcome.points_awarded or 0, badges=outcome.badges_earned)
    return outcomes


def _count(work: UnitOfWork, *, approved: bool, points: int = 0, badges: list[str] | None = None) -> None:
    recorded(work, "submission.approve" if approved else "submission.reject")
    for _ in badges or ():
        recorded(work, "badge.grant")
    if points:
        work.count(partial(points_metrics.appended, "FORM", points))
