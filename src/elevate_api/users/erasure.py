"""Erasing a person: what identifies them goes, what they earned and decided stays (shared/domain.md)."""

import structlog
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.audit.service import record
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database
from elevate_api.kit.problems import NotFound, describe
from elevate_api.users.errors import LastSuperadmin
from elevate_api.users.models import User
from elevate_api.users.repository import UserRepository

BATCH = 500
_ERASE = text("SELECT erase_user(:id)")
_DUE = text("""
    SELECT id FROM users WHERE erase_at <= clock_timestamp() AND erased_at IS NULL ORDER BY erase_at LIMIT :most
""")
_LAST = "users_last_superadmin"

log = structlog.get_logger(__name__)


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


async def erase_due(database: Database) -> int:
    """Erase everybody whose time has come, each in a transaction of their own; answers how many.

    The last SUPERADMIN is left until there is another; so is whoever asked to stay meanwhile.
    """
    async with database.session() as session:
        due = list(await session.scalars(_DUE, {"most": BATCH}))
    return sum([await _erase_if_still_due(database, user_id) for user_id in due])


async def _erase_if_still_due(database: Database, user_id: str) -> bool:
    async with database.session() as session:
        user = (await UserRepository(session).lock(user_id)).get(user_id)
        if user is None or user.erased_at is not None or user.erase_at is None or user.erase_at > utcnow():
            return False
        try:
            await erase(session, user_id, actor_id=None)
        except LastSuperadmin:
            log.warning("last_superadmin_waits_for_erasure", user_id=user_id)
            return False
    return True
