"""Whose data a loss or a recovery touched: the people to tell, with their addresses."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_TOUCHED = text("""
    WITH touched AS (
      SELECT user_id, 'submission' AS what FROM submissions
      WHERE created_at >= :since AND created_at < :until OR updated_at >= :since AND updated_at < :until
      UNION ALL SELECT user_id, 'points' FROM points_ledger WHERE created_at >= :since AND created_at < :until
      UNION ALL SELECT user_id, 'adjustment' FROM point_adjustments WHERE created_at >= :since AND created_at < :until
      UNION ALL SELECT user_id, 'badge' FROM earned_badges WHERE earned_at >= :since AND earned_at < :until
      UNION ALL SELECT user_id, 'kajabi' FROM kajabi_events
        WHERE user_id IS NOT NULL AND coalesce(processed_at, created_at) >= :since
          AND coalesce(processed_at, created_at) < :until
      UNION ALL SELECT s.user_id, 'file' FROM submission_attachments a JOIN submissions s ON s.id = a.submission_id
        WHERE a.created_at >= :since AND a.created_at < :until
      UNION ALL SELECT id, 'account' FROM users
        WHERE created_at >= :since AND created_at < :until OR updated_at >= :since AND updated_at < :until
      UNION ALL SELECT target_id, 'recovery' FROM audit_log
        WHERE action = 'points.recover' AND target_type = 'user' AND created_at >= :since AND created_at < :until
    )
    SELECT u.id AS user_id, u.name, u.email, u.email_verified, t.touched
    FROM (SELECT user_id, array_agg(DISTINCT what ORDER BY what) AS touched FROM touched GROUP BY user_id) t
    JOIN users u ON u.id = t.user_id
    WHERE u.erased_at IS NULL ORDER BY u.id
""")


async def people(session: AsyncSession, since: datetime, until: datetime) -> AsyncIterator[dict[str, Any]]:
    """user_id, name, email, email_verified, touched (what of theirs was written from `since` until `until`).

    Of a loss it tells what is still known: run it on what was restored up to `since`, and on the database that broke
    where it can still be read. The erased are left out: there is nobody to write to.
    """
    async for row in await session.stream(_TOUCHED, {"since": since, "until": until}):
        yield dict(row._mapping)  # noqa: SLF001  (SQLAlchemy's public name for it)
