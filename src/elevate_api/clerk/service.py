"""Sign-ups, changes and deletions at Clerk, into our table of people: each message once, the newest word wins."""

from enum import StrEnum

import structlog
from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.clerk.messages import DELETED, Message
from elevate_api.clerk.models import ClerkEvent
from elevate_api.users import arrival, erasure
from elevate_api.users.errors import LastSuperadmin, UserErased, UserSuspended
from elevate_api.users.hooks import UserHooks
from elevate_api.users.models import User
from elevate_api.users.repository import UserRepository

log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    SUSPENDED = "suspended"
    STALE = "stale"
    IGNORED = "ignored"
    DUPLICATE = "duplicate"


async def receive(session: AsyncSession, message_id: str, message: Message, hooks: UserHooks) -> Outcome:
    """Take in one message. Its row commits with its effect: a message that failed comes again and is taken in then."""
    if not await _remember(session, message_id, message):
        return Outcome.DUPLICATE
    outcome = await _apply(session, message, hooks)
    row = await session.get_one(ClerkEvent, message_id)
    row.outcome = outcome.value
    return outcome


async def _remember(session: AsyncSession, message_id: str, message: Message) -> bool:
    """False when the message is known. One that is just being taken in elsewhere is waited for."""
    statement = (
        insert(ClerkEvent)
        .values(
            svix_id=message_id,
            event_type=message.event_type,
            user_id=message.user_id,
            event_time=message.said_at,
            outcome="received",
        )
        .on_conflict_do_nothing(index_elements=[ClerkEvent.svix_id])
        .returning(ClerkEvent.svix_id)
    )
    return await session.scalar(statement) is not None


async def _apply(session: AsyncSession, message: Message, hooks: UserHooks) -> Outcome:
    if message.user_id is None:
        return Outcome.IGNORED
    if message.event_type == DELETED:
        return await _delete(session, message.user_id)
    return await _upsert(session, message, hooks)


async def _upsert(session: AsyncSession, message: Message, hooks: UserHooks) -> Outcome:
    identity, said_at = message.identity, message.said_at
    if identity is None or said_at is None or await _was_deleted(session, identity.id):
        return Outcome.IGNORED
    user = await UserRepository(session).get(identity.id)
    outcome = Outcome.UPDATED if user is not None else Outcome.CREATED
    if user is None:
        user = await arrival.create(session, identity, hooks)
    if user.erased_at is not None or user.suspended_at is not None:
        return Outcome.IGNORED
    if user.clerk_updated_at is not None and said_at < user.clerk_updated_at:
        return Outcome.STALE
    try:
        user = await arrival.keep_up(session, identity, hooks, said_at=said_at)
    except (UserErased, UserSuspended):
        return Outcome.IGNORED  # while their lock was waited for
    # Under the lock that keep_up took: of two messages at once, the older one must not have the last word.
    user.clerk_updated_at = max(said_at, user.clerk_updated_at or said_at)
    return outcome


async def _delete(session: AsyncSession, user_id: str) -> Outcome:
    """Anonymise. The last SUPERADMIN is shut out, and erased once there is another (shared/domain.md, "Roles")."""
    user: User | None = (await UserRepository(session).lock(user_id)).get(user_id)
    if user is None or user.erased_at is not None:
        return Outcome.IGNORED
    try:
        await erasure.erase(session, user_id, actor_id=None)
    except LastSuperadmin:
        await erasure.postpone(session, user, reason="deleted at Clerk, last SUPERADMIN")
        log.error("last_superadmin_deleted_at_clerk", user_id=user_id)  # noqa: TRY400  (foreseen, no traceback)
        return Outcome.SUSPENDED
    return Outcome.DELETED


async def _was_deleted(session: AsyncSession, user_id: str) -> bool:
    """Whether the deletion came first: ids are never used again, so a late message must not bring the person back."""
    same = (ClerkEvent.user_id == user_id, ClerkEvent.event_type == DELETED)
    return bool(await session.scalar(select(exists().where(*same))))
