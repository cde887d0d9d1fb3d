"""What may be changed about a person, and by whom."""

from collections.abc import Mapping
from typing import Any

from pydantic.alias_generators import to_camel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.audit.service import record
from elevate_api.auth.roles import Role
from elevate_api.kit.problems import Conflict, Forbidden, NotFound
from elevate_api.users.arrival import refuse_shut_out
from elevate_api.users.errors import HandleTaken
from elevate_api.users.handles import is_reserved
from elevate_api.users.hooks import UserHooks
from elevate_api.users.models import User
from elevate_api.users.repository import UserRepository


async def lock_person(session: AsyncSession, user_id: str) -> None:
    """Serialise with everything else that changes what this person has earned or claimed.

    Taken first, before any other lock of the transaction; several people in the order of their ids.
    """
    await session.execute(text("SELECT lock_person(:id)"), {"id": user_id})


async def lock_caller(session: AsyncSession, user_id: str) -> User:
    """Lock whoever asks, for what an erasure takes back. Raises UserErased or UserSuspended where it came first."""
    user = (await UserRepository(session).lock(user_id))[user_id]
    refuse_shut_out(user)
    return user


async def update_own(session: AsyncSession, user_id: str, changes: Mapping[str, Any]) -> User:
    """Write what the owner changed. Raises HandleTaken; a race for a handle ends at users_handle_key the same way."""
    user = await lock_caller(session, user_id)
    changed = _differing(user, changes)
    if "handle" in changed and is_reserved(changed["handle"]):
        raise HandleTaken
    await _write(session, user, changed, actor_id=user_id)
    return user


async def update_by_admin(
    session: AsyncSession, actor: User, user_id: str, changes: Mapping[str, Any], hooks: UserHooks
) -> User:
    """Write what an administrator changed: role, cohort, school, kajabi_contact_id.

    Raises NotFound, Forbidden by the rules on roles, Conflict for the erased; the database raises LAST_SUPERADMIN and
    KAJABI_CONTACT_TAKEN.
    """
    repository = UserRepository(session)
    if contact_id := changes.get("kajabi_contact_id"):
        await repository.lock_contact(contact_id)
    # Whoever gives or takes a role is locked with whom it is about: of two who demote each other the second may not.
    people = await repository.lock(*({user_id, actor.id} if "role" in changes else {user_id}))
    user = people.get(user_id)
    if user is None:
        raise NotFound
    changed = _differing(user, changes)
    if user.erased_at is not None and changed:
        raise Conflict("This person has been erased; nothing about them can be changed.")
    if "role" in changed:
        role = Role(changed.pop("role"))
        require_may_change_role(actor, user, role)
        await set_role(session, user, role, actor_id=actor.id)
    await _write(session, user, changed, actor_id=actor.id)
    if "kajabi_contact_id" in changed:
        await hooks.identity_changed(session, user)
    return user


def require_may_change_role(actor: User, target: User, role: Role) -> None:
    """Nobody changes their own role, or the role of, or to, their own level or above.

    Call it under the lock of both. Raises Forbidden, UserErased, UserSuspended: the actor was let in a moment ago.
    """
    refuse_shut_out(actor)
    if actor.id == target.id:
        raise Forbidden("Nobody changes their own role.")
    own = Role(actor.role)
    if not (own.may_grant(role) and own.may_grant(Role(target.role))):
        raise Forbidden("Only a SUPERADMIN changes roles of their own level or above.")


async def set_role(session: AsyncSession, user: User, role: Role, *, actor_id: str | None) -> None:
    """Set a role without asking who may. The database refuses to lose the last SUPERADMIN (users_last_superadmin)."""
    before = user.role
    if before == role:
        return
    user.role = role.value
    await session.flush()
    record(
        session,
        actor_id=actor_id,
        action="user.role",
        target_type="user",
        target_id=user.id,
        details={"before": before, "after": role.value},
    )


def _differing(user: User, changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if getattr(user, name) != value}


async def _write(session: AsyncSession, user: User, changed: Mapping[str, Any], *, actor_id: str) -> None:
    """The audit row names the fields and never their values, which are personal data."""
    if not changed:
        return
    for name, value in changed.items():
        setattr(user, name, value)
    await session.flush()
    record(
        session,
        actor_id=actor_id,
        action="user.update",
        target_type="user",
        target_id=user.id,
        details={"fields": sorted(to_camel(name) for name in changed)},
    )
