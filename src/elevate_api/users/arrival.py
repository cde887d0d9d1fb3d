"""Somebody comes with a verified token: the row that is theirs, made at first sight, kept up with what Clerk says."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.audit.service import record
from elevate_api.auth.claims import Claims
from elevate_api.kit.problems import Conflict
from elevate_api.users.clerk import Directory
from elevate_api.users.errors import UserErased, UserSuspended
from elevate_api.users.handles import base_of, candidates
from elevate_api.users.hooks import UserHooks
from elevate_api.users.identity import Identity, from_claims
from elevate_api.users.models import User
from elevate_api.users.repository import UserRepository

ATTEMPTS = 5
"""Somebody may take the chosen handle in between; from the second attempt on it is random, so a third is rare."""

ADDRESS = frozenset({"email", "email_verified"})


async def admit(session: AsyncSession, claims: Claims, directory: Directory, hooks: UserHooks) -> User:
    """The caller's row: one SELECT for somebody who is known and unchanged. Raises UserErased or UserSuspended."""
    user = await UserRepository(session).get(claims.sub)
    if user is None:
        identity = from_claims(claims)
        if not identity.is_complete:
            identity = identity.completed_by(await directory.find(claims.sub))
        user = await create(session, identity, hooks)
    refuse_shut_out(user)
    if _has_news(user, claims):
        user = await keep_up(session, from_claims(claims), hooks, said_at=claims.issued_at)
    return user


def refuse_shut_out(user: User) -> None:
    """Raises UserErased or UserSuspended."""
    if user.erased_at is not None:
        raise UserErased
    if user.suspended_at is not None:
        raise UserSuspended


async def create(session: AsyncSession, identity: Identity, hooks: UserHooks) -> User:
    """Insert the person, or answer the row that another transaction has just inserted for the same id.

    A verified address comes over from whoever had it: the same person back under a new id (shared/integrations.md).
    """
    repository = UserRepository(session)
    for attempt in range(ATTEMPTS):
        if identity.email_verified:
            await _take_email(session, identity, hooks)
        wanted = candidates(base_of(identity.name, identity.username), plain=attempt == 0)
        handle = await repository.first_free(wanted)
        user = await repository.insert(identity, handle) if handle is not None else None
        if user is not None:
            record(session, actor_id=user.id, action="user.create", target_type="user", target_id=user.id)
            await hooks.created(session, user)
            return user
        user = await repository.get(identity.id)
        if user is not None:
            return user
    raise Conflict("No handle could be found for this person.")


async def keep_up(session: AsyncSession, identity: Identity, hooks: UserHooks, *, said_at: datetime) -> User:
    """Write what is new in `identity`, said at that time, into the row of a known person, who is locked.

    Name: only where there is none, since its owner may change it. An address that was taken over by another id comes
    back only with something said after that.
    """
    repository = UserRepository(session)
    held_by = await _lock_holders(session, identity, hooks)
    people = await repository.lock(identity.id, *held_by)
    user, holders = people[identity.id], [people[holder] for holder in held_by]
    refuse_shut_out(user)
    if _is_outdated(user, said_at):
        return user
    changes = _changes(user, identity)
    if identity.email_verified and ADDRESS & changes.keys():
        if _was_taken_since(user, identity, holders, said_at):
            changes = {name: value for name, value in changes.items() if name not in ADDRESS}
        else:
            await _unverify(session, holders, in_favour_of=user.id)
    await _write(session, user, changes, hooks)
    return user


def _was_taken_since(user: User, identity: Identity, holders: list[User], said_at: datetime) -> bool:
    """Whether the person's own address went to another id after `said_at`; an address new to them is just claimed."""
    is_own = (user.email or "").lower() == (identity.email or "").lower()
    return is_own and any(said_at < holder.updated_at for holder in holders)


async def _lock_holders(session: AsyncSession, identity: Identity, hooks: UserHooks) -> list[str]:
    if identity.email is None or not identity.email_verified:
        return []
    repository = UserRepository(session)
    await repository.lock_email(identity.email)
    await hooks.address_claimed(session, identity.email)
    return await repository.holders(identity.email, but=identity.id)


async def _take_email(session: AsyncSession, identity: Identity, hooks: UserHooks) -> None:
    held_by = await _lock_holders(session, identity, hooks)
    people = await UserRepository(session).lock(*held_by) if held_by else {}
    await _unverify(session, list(people.values()), in_favour_of=identity.id)


async def _unverify(session: AsyncSession, holders: list[User], *, in_favour_of: str) -> None:
    """Flushed before anything else is written: users_verified_email_key is judged row by row."""
    for holder in holders:
        holder.email_verified = False
        details = {"reason": "verified under another id", "userId": in_favour_of}
        record(
            session,
            actor_id=in_favour_of,
            action="user.email_unverified",
            target_type="user",
            target_id=holder.id,
            details=details,
        )
    await session.flush()


async def _write(session: AsyncSession, user: User, changes: dict[str, object], hooks: UserHooks) -> None:
    if not changes:
        return
    for name, value in changes.items():
        setattr(user, name, value)
    await session.flush()
    record(
        session,
        actor_id=user.id,
        action="user.identity",
        target_type="user",
        target_id=user.id,
        details={"fields": sorted(changes)},
    )
    if ADDRESS & changes.keys():
        await hooks.identity_changed(session, user)


def _has_news(user: User, claims: Claims) -> bool:
    return not _is_outdated(user, claims.issued_at) and bool(_changes(user, from_claims(claims)))


def _is_outdated(user: User, said_at: datetime) -> bool:
    """Whether Clerk's webhook has told us something newer already."""
    return user.clerk_updated_at is not None and said_at < user.clerk_updated_at


def _changes(user: User, identity: Identity) -> dict[str, object]:
    changes: dict[str, object] = {}
    if identity.email is not None:
        changes |= {"email": identity.email, "email_verified": identity.email_verified}
    if identity.avatar_url is not None:
        changes["avatar_url"] = identity.avatar_url
    if identity.name is not None and not user.name:
        changes["name"] = identity.name
    return {name: value for name, value in changes.items() if getattr(user, name) != value}
