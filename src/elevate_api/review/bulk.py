"""Many decisions in one request, each on its own: one that fails leaves the others standing."""

from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.kit.context import current_request_id
from elevate_api.kit.i18n import current_language
from elevate_api.kit.problems import ConstraintProblems, FieldError, Problem, ValidationFailed, as_problem
from elevate_api.review import decisions
from elevate_api.review.schemas import Approval, BulkDecision, BulkResult, Rejection
from elevate_api.submissions.models import Submission


async def decide_all(
    session: AsyncSession, reviewer_id: str, wanted: list[BulkDecision], constraints: ConstraintProblems
) -> list[BulkResult]:
    """One result for each decision, in the order given. `constraints` names what the database may refuse."""
    await _lock_submitters(session, [decision.id for decision in wanted])
    return [await _decide(session, reviewer_id, decision, constraints) for decision in wanted]


async def _lock_submitters(session: AsyncSession, submission_ids: list[UUID]) -> None:
    """All people first, in the order of their ids, so that two bulk decisions cannot deadlock."""
    owners = select(Submission.user_id).where(Submission.id.in_(submission_ids)).distinct()
    for owner in sorted((await session.execute(owners)).scalars()):
        await session.execute(text("SELECT lock_person(:person)"), {"person": owner})


async def _decide(
    session: AsyncSession, reviewer_id: str, wanted: BulkDecision, constraints: ConstraintProblems
) -> BulkResult:
    try:
        async with session.begin_nested():
            if wanted.decision == "approve":
                approval = Approval(note=wanted.note, version=wanted.version)
                decided = await decisions.approve(session, reviewer_id, wanted.id, approval)
            else:
                if wanted.note is None:
                    raise ValidationFailed(errors=[FieldError("/note", "is required to reject")])
                rejection = Rejection(note=wanted.note, version=wanted.version)
                decided = await decisions.reject(session, reviewer_id, wanted.id, rejection)
    except Problem as problem:
        return _failed(wanted.id, problem)
    except DBAPIError as error:
        refused = as_problem(error, constraints)
        if refused is None or refused.status >= 500:  # noqa: PLR2004 - the database is in trouble, not this decision
            raise
        return _failed(wanted.id, refused)
    points = decided.points_awarded if wanted.decision == "approve" else None
    return BulkResult(id=wanted.id, ok=True, points_awarded=points)


def _failed(submission_id: UUID, problem: Problem) -> BulkResult:
    document = problem.document(
        instance=f"/api/review/{submission_id}", request_id=current_request_id(), language=current_language()
    )
    return BulkResult(id=submission_id, ok=False, problem=document)
