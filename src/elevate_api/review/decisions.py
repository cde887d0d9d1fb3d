"""Deciding about submissions: submission, ledger row, badges and audit row in one transaction, which is one statement.

Rules and locks (the submitter first, then the submission) are `migrations/sql/decide_submissions`, the same for one
decision and for many.
"""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from elevate_api.audit.service import recorded
from elevate_api.kit.work import UnitOfWork
from elevate_api.points import metrics as points_metrics
from elevate_api.review import hot
from elevate_api.review.hot import Decided, Outcome, Verdict
from elevate_api.review.schemas import Approval, Rejection
from elevate_api.users.caller import Caller

_Done = tuple[bool, int, int]
"""Of one decision: was it an approval, what did it award, how many badges were earned by it."""


async def approve(work: UnitOfWork, caller: Caller, submission_id: UUID, approval: Approval) -> Decided:
    """Approve and award. Raises what `hot.decide` does."""
    said = Verdict(submission_id, True, approval.note, approval.version, approval.points, approval.reason)
    decided = await hot.decide(work, caller, said)
    _count(work, [(True, decided.points_awarded, len(decided.badges_earned))])
    return decided


async def reject(work: UnitOfWork, caller: Caller, submission_id: UUID, rejection: Rejection) -> Decided:
    """Raises what `hot.decide` does."""
    decided = await hot.decide(work, caller, Verdict(submission_id, False, rejection.note, rejection.version))
    _count(work, [(False, 0, 0)])
    return decided


async def decide_many(work: UnitOfWork, caller: Caller, said: list[Verdict]) -> list[Outcome]:
    """Each on its own; one outcome for each, in the order given."""
    outcomes = await hot.decide_many(work, caller, said) if said else []
    done: list[_Done] = []
    for one, outcome in zip(said, outcomes, strict=True):
        if outcome.refused is not None:
            work.report(outcome.refused)
        elif outcome.refusal is None:
            done.append((one.approved, outcome.points_awarded or 0, len(outcome.badges_earned)))
    _count(work, done)
    return outcomes


def _count(work: UnitOfWork, done: Sequence[_Done]) -> None:
    """All at once: a counter takes longer to find than to raise."""
    approvals = sum(approved for approved, _, _ in done)
    awards = [points for _, points, _ in done if points]
    recorded(work, "submission.approve", approvals)
    recorded(work, "submission.reject", len(done) - approvals)
    recorded(work, "badge.grant", sum(badges for _, _, badges in done))
    if awards:
        work.count(partial(points_metrics.appended, "FORM", sum(awards), rows=len(awards)))
