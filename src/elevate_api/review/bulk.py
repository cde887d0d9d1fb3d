"""Many decisions in one request, each on its own: one that fails leaves the others standing."""

from uuid import UUID

import structlog

from elevate_api.kit.context import current_request_id
from elevate_api.kit.i18n import current_language
from elevate_api.kit.problems import (
    ConstraintProblems,
    DatabaseError,
    FieldError,
    InternalError,
    Problem,
    ValidationFailed,
    problem_for,
)
from elevate_api.kit.work import UnitOfWork
from elevate_api.review import decisions
from elevate_api.review.hot import Outcome, Verdict
from elevate_api.review.schemas import BulkDecision, BulkResult
from elevate_api.users.caller import Caller

log = structlog.get_logger(__name__)


async def decide_all(
    work: UnitOfWork, caller: Caller, wanted: list[BulkDecision], constraints: ConstraintProblems
) -> list[BulkResult]:
    """One result for each decision, in the order given. `constraints` names what the database may refuse."""
    sound = [one for one in wanted if _is_sound(one)]
    said = [Verdict(one.id, one.decision == "approve", one.note, one.version) for one in sound]
    if not said:
        await caller.admitted(work)
    outcomes = iter(await decisions.decide_many(work, caller, said))
    return [_result(one, next(outcomes), constraints) if _is_sound(one) else _unsound(one) for one in wanted]


def _is_sound(wanted: BulkDecision) -> bool:
    return wanted.decision == "approve" or wanted.note is not None


def _unsound(wanted: BulkDecision) -> BulkResult:
    return _failed(wanted.id, ValidationFailed(errors=[FieldError("/note", "is required to reject")]))


def _result(wanted: BulkDecision, outcome: Outcome, constraints: ConstraintProblems) -> BulkResult:
    refusal = outcome.refusal or (None if outcome.refused is None else _named(outcome.refused, constraints))
    if refusal is not None:
        return _failed(wanted.id, refusal)
    return BulkResult(id=wanted.id, ok=True, points_awarded=outcome.points_awarded)


def _named(refused: DatabaseError, constraints: ConstraintProblems) -> Problem:
    """As for an error that ends a request: answered by its name, and logged; what nobody foresaw as an error."""
    foreseen = problem_for(refused, constraints)
    problem = foreseen or InternalError()
    (log.error if foreseen is None else log.warning)(
        "database_error",
        code=problem.code,
        sqlstate=refused.sqlstate,
        constraint=refused.constraint,
        table=refused.table,
        message=refused.message[:500],
    )
    return problem


def _failed(submission_id: UUID, problem: Problem) -> BulkResult:
    document = problem.document(
        instance=f"/api/review/{submission_id}", request_id=current_request_id(), language=current_language()
    )
    return BulkResult(id=submission_id, ok=False, problem=document)
