"""Who may call, as types in the signature of a handler.

`CurrentUser` is anybody who is signed in; the other three ask for a role and include the ones above it.
`OptionalClaims` never refuses and never touches the database.
"""

from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from elevate_api.auth.caller import OptionalClaims as OptionalClaims
from elevate_api.auth.caller import VerifiedClaims, bearer, cookie, verdict
from elevate_api.auth.claims import Claims
from elevate_api.auth.roles import Role
from elevate_api.kit.context import identify
from elevate_api.kit.db import Tx
from elevate_api.kit.idempotency import KeyHeader, begin
from elevate_api.kit.problems import Forbidden, add_responses
from elevate_api.kit.routing import before_faults
from elevate_api.kit.work import UnitOfWork, Writes
from elevate_api.users.arrival import admit
from elevate_api.users.caller import Caller
from elevate_api.users.errors import CALLER_PROBLEMS, ROLE_PROBLEMS
from elevate_api.users.models import User


async def current_user(request: Request, claims: VerifiedClaims, session: Tx) -> User:
    """The caller's row in the request's transaction, created at first sight.

    Raises Unauthenticated, SignInUnavailable, UserErased or UserSuspended.
    """
    identify(request.scope, claims.sub)
    state = request.app.state
    return await admit(session, claims, state.directory, state.user_hooks)


CurrentUser = Annotated[User, Depends(current_user)]


async def current_user_id(user: CurrentUser) -> str:
    return user.id


def _require(role: Role) -> Callable[..., Coroutine[Any, Any, User]]:
    async def require(user: CurrentUser) -> User:
        if not Role(user.role).includes(role):
            raise Forbidden
        return user

    require.__name__ = require.__qualname__ = f"require_{role.lower()}"
    return require


async def _identify(request: Request, work: UnitOfWork, role: Role) -> Caller:
    found = await verdict(request)
    if not isinstance(found, Claims):
        raise found
    identify(request.scope, found.sub)
    state = request.app.state
    caller = Caller(found, role, state.directory, state.user_hooks)
    before_faults(request, partial(caller.admitted, work))
    return caller


async def identified_participant(request: Request, work: Writes) -> Caller:
    return await _identify(request, work, Role.PARTICIPANT)


async def identified_submitter(request: Request, work: Writes, key: Annotated[str | None, KeyHeader] = None) -> Caller:
    """Anybody who is signed in. A request with an Idempotency-Key is one transaction of guard, key and effect."""
    caller = await _identify(request, work, Role.PARTICIPANT)
    if key is not None:
        await begin(request, await caller.admitted(work), caller.id, key)
    return caller


async def identified_reviewer(request: Request, work: Writes) -> Caller:
    return await _identify(request, work, Role.REVIEWER)


ParticipantCaller = Annotated[Caller, Depends(identified_participant)]
SubmittingCaller = Annotated[Caller, Depends(identified_submitter)]
ReviewerCaller = Annotated[Caller, Depends(identified_reviewer)]
"""Who calls, by a verified token; judged by the statement that acts for them, see `users.caller`.

Without dependencies of their own: FastAPI pays more for each than a token costs that is known. So their routes name
SESSION in `openapi_extra`.
"""

SESSION: dict[str, Any] = {"security": [{bearer.scheme_name: []}, {cookie.scheme_name: []}]}

require_reviewer = _require(Role.REVIEWER)
require_admin = _require(Role.ADMIN)
require_superadmin = _require(Role.SUPERADMIN)

ReviewerUser = Annotated[User, Depends(require_reviewer)]
AdminUser = Annotated[User, Depends(require_admin)]
SuperadminUser = Annotated[User, Depends(require_superadmin)]
CurrentUserId = Annotated[str, Depends(current_user_id)]

GUARDS: dict[Callable[..., Any], Role] = {
    current_user: Role.PARTICIPANT,
    require_reviewer: Role.REVIEWER,
    require_admin: Role.ADMIN,
    require_superadmin: Role.SUPERADMIN,
    identified_participant: Role.PARTICIPANT,
    identified_submitter: Role.PARTICIPANT,
    identified_reviewer: Role.REVIEWER,
}
"""The lowest role that each guard lets in: what a test of every route's guard reads."""


def guard_of(dependant: Dependant) -> Role | None:
    """The lowest role that a route lets in, by any guard in its tree; None for a public one."""
    found = [GUARDS[dependant.call]] if dependant.call in GUARDS else []
    found += [role for part in dependant.dependencies if (role := guard_of(part)) is not None]
    return max(found, key=lambda role: role.level, default=None)


def document_guards(routers: Iterable[APIRouter]) -> None:
    """Name in the OpenAPI document what each route's guard can answer, so that no route has to repeat it."""
    for router in routers:
        for route in router.routes:
            role = guard_of(route.dependant) if isinstance(route, APIRoute) else None
            if isinstance(route, APIRoute) and role is not None:
                refusals = CALLER_PROBLEMS if role is Role.PARTICIPANT else ROLE_PROBLEMS
                add_responses(route.responses, *refusals)
