"""Erasing a person: what identifies them goes, what they earned and decided stays (shared/domain.md)."""

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.audit.service import record
from elevate_api.kit.problems import NotFound, describe
from elevate_api.users.errors import LastSuperadmin
from elevate_api.users.models import User
from elevate_api.users.repository import UserRepository

_ERASE = text("SELECT erase_user(:id)")
_LAST = "users_last_superadmin"


async def erase(session: AsyncSession, user_id: str, *, actor_id: str | None) -> None:
    """Anonymise the person for good; `actor_id` None stands for the system. Erasing again changes nothing.

    What exactly goes is in `migrations/sql/erase_user.NN.sql`. Raises NotFound, and LastSuperadmin with the transaction
    still usable.
    """
    user = (await UserRepository(session).lock(user_id)).get(user_id)
    if user is None:
        raise NotFound
    try:
        async with session.begin_nested():
            erased: bool = (await session.execute(_ERASE, {"id": user_id})).scalar_one()
    except IntegrityError as error:
        described = describe(error)
        if described is not None and described.constraint == _LAST:
            raise LastSuperadmin from error
        raise
    await session.refresh(user)
    if erased:
        record(session, actor_id=actor_id, action="user.erase", target_type="user", target_id=user_id)


async def postpone(session: AsyncSession, user: User, *, reason: str) -> None:
    """Suspend somebody who cannot be erased yet, due to be erased at once. Call it under the person's lock."""
    if user.suspended_at is not None and user.erase_at is not None:
        return
    await session.execute(
        text("""
            UPDATE users SET suspended_at = coalesce(suspended_at, clock_timestamp()),
                             erase_at = coalesce(erase_at, clock_timestamp()) WHERE id = :id"""),
        {"id": user.id},
    )
    await session.refresh(user)
    details = {"reason": reason}
    record(session, actor_id=None, action="user.suspend", target_type="user", target_id=user.id, details=details)
