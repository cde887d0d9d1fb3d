"""Asking for one's own erasure, and taking that back (shared/domain.md, "Erasure and retention")."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.audit.service import record
from elevate_api.users.arrival import refuse_shut_out
from elevate_api.users.errors import LastSuperadmin
from elevate_api.users.models import User
from elevate_api.users.repository import UserRepository

GRACE = timedelta(days=7)


async def request_erasure(session: AsyncSession, user_id: str, now: datetime) -> datetime:
    """Answer when the person will be erased; asking again changes nothing. Raises LastSuperadmin."""
    user = await _lock(session, user_id)
    if user.erase_at is not None:
        return user.erase_at
    if user.role == "SUPERADMIN":
        await _require_another_superadmin(session, user_id)
    user.erase_at = now + GRACE
    await session.flush()
    _audit(session, user_id, "user.erasure_request", eraseAt=user.erase_at.isoformat())
    return user.erase_at


async def cancel_erasure(session: AsyncSession, user_id: str) -> None:
    """Take the request back; harmless without one."""
    user = await _lock(session, user_id)
    if user.erase_at is not None:
        user.erase_at = None
        await session.flush()
        _audit(session, user_id, "user.erasure_cancel")


async def _lock(session: AsyncSession, user_id: str) -> User:
    user = (await UserRepository(session).lock(user_id))[user_id]
    refuse_shut_out(user)
    return user


async def _require_another_superadmin(session: AsyncSession, user_id: str) -> None:
    """Another one who stays: two who both ask to go take turns, under the lock of the database's own rule."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('elevate:superadmin', 0))"))
    if not await session.scalar(_ANOTHER, {"id": user_id}):
        raise LastSuperadmin


def _audit(session: AsyncSession, user_id: str, action: str, **details: str) -> None:
    record(session, actor_id=user_id, action=action, target_type="user", target_id=user_id, details=dict(details))


_ANOTHER = text("""
    SELECT EXISTS (SELECT FROM users WHERE role = 'SUPERADMIN' AND id <> :id
      AND erased_at IS NULL AND erase_at IS NULL AND suspended_at IS NULL)
""")
