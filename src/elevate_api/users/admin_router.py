"""People, as administrators look after them."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from elevate_api.auth.roles import Role
from elevate_api.kit.db import Tx
from elevate_api.kit.paging import Page, Paging, cut, link_next
from elevate_api.kit.problems import Conflict, NotFound, responses
from elevate_api.kit.routing import Router
from elevate_api.users import service
from elevate_api.users.errors import KajabiContactTaken, LastSuperadmin
from elevate_api.users.guards import AdminUser
from elevate_api.users.repository import UserFilter, UserRepository
from elevate_api.users.schemas import AdminUserOut, AdminUserUpdate

router = Router(prefix="/api/admin/users", tags=["administration"])

SEARCH = "Part of name, handle or e-mail; one or two characters: how a word of them begins."
UserId = Annotated[str, Path(min_length=1, max_length=255, examples=["user_2abc123"])]


async def wanted_users(
    search: Annotated[str | None, Query(max_length=200, description=SEARCH)] = None,
    role: Role | None = None,
    cohort: Annotated[str | None, Query(max_length=200)] = None,
    school: Annotated[str | None, Query(max_length=200)] = None,
) -> UserFilter:
    return UserFilter(search=(search or "").strip() or None, role=role, cohort=cohort or None, school=school or None)


@router.get("", response_model=Page[AdminUserOut])
async def list_users(
    request: Request,
    response: Response,
    session: Tx,
    _admin: AdminUser,
    wanted: Annotated[UserFilter, Depends(wanted_users)],
    paging: Paging,
) -> Page[AdminUserOut]:
    """Everybody, the newest first, the erased included."""
    rows = await UserRepository(session).page(wanted, paging.after(datetime, str), paging.fetch)
    shown, cursor = cut(rows, paging.limit, lambda user: (user.created_at, user.id))
    link_next(request, response, cursor)
    return Page(items=[AdminUserOut.model_validate(user) for user in shown], next_cursor=cursor)


@router.get("/{user_id}", response_model=AdminUserOut, responses=responses(NotFound))
async def get_user(user_id: UserId, session: Tx, _admin: AdminUser) -> AdminUserOut:
    user = await UserRepository(session).get(user_id)
    if user is None:
        raise NotFound
    return AdminUserOut.model_validate(user)


@router.patch(
    "/{user_id}",
    response_model=AdminUserOut,
    responses=responses(NotFound, LastSuperadmin, KajabiContactTaken, Conflict),
)
async def update_user(
    request: Request, user_id: UserId, change: AdminUserUpdate, session: Tx, admin: AdminUser
) -> AdminUserOut:
    """Change role, cohort, school or Kajabi contact.

    Nobody changes their own role. An ADMIN grants and takes roles below ADMIN; a SUPERADMIN any. The last SUPERADMIN
    stays one.
    """
    changes = change.model_dump(by_alias=False, exclude_unset=True)
    user = await service.update_by_admin(session, admin, user_id, changes, request.app.state.user_hooks)
    await session.refresh(user, ["updated_at"])  # a trigger wrote it
    return AdminUserOut.model_validate(user)
