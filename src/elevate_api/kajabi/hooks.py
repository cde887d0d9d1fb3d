"""What the inbox wants to do in the transaction that creates a person or learns who somebody is."""

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.kajabi.repository import EventRepository
from elevate_api.kajabi.service import LearnTags, match_waiting
from elevate_api.users.hooks import UserHooks
from elevate_api.users.models import User

log = structlog.get_logger(__name__)


def install(hooks: UserHooks, learn_tags: LearnTags) -> None:
    """Have waiting completions settled the moment their educator is known."""

    async def settle(session: AsyncSession, user: User) -> None:
        await _settle(session, user, learn_tags)

    hooks.on_address_claimed.append(_lock_contacts)
    hooks.on_created.append(settle)
    hooks.on_identity_changed.append(settle)


async def _lock_contacts(session: AsyncSession, email: str) -> None:
    """The contacts that the person may be bound to are locked before the person is: the order of `kajabi.service`."""
    await EventRepository(session).lock_waiting_contacts(email)


async def _settle(session: AsyncSession, user: User, learn_tags: LearnTags) -> None:
    """In a savepoint: somebody signs in, whatever is wrong with an old delivery. The job looks at it again."""
    if user.erased_at is not None or not await EventRepository(session).waiting_for(user.id):
        return
    try:
        async with session.begin_nested():
            await match_waiting(session, user.id, learn_tags)
            await session.refresh(user, ["kajabi_contact_id", "updated_at"])
    except Exception:
        log.exception("kajabi_matching_failed", user_id=user.id)
