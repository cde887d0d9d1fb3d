"""Who may call, as types in the signature of a handler.

`CurrentUser` is anybody who is signed in; the other three ask for a role and include the ones above it.
`OptionalClaims` never refuses and never touches the database.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request

from elevate_api.auth.caller import OptionalClaims as OptionalClaims
from elevate_api.auth.caller import VerifiedClaims
from elevate_api.auth.roles import Role
from elevate_api.kit.context import identify
from elevate_api.kit.db import Tx
from elevate_api.kit.problems import Forbidden
from elevate_api.users.arrival import admit
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
}
"""The lowest role that each guard lets in: what a test of every route's guard reads."""
