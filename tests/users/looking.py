"""What tests about people look at, as the owner."""

import asyncio
from typing import Any

from sqlalchemy import select

from elevate_api.audit.models import AuditEntry
from elevate_api.kit.db import Database
from elevate_api.users.models import User

Audited = tuple[str | None, str, str, dict[str, Any]]


async def people(owner: Database) -> dict[str, User]:
    async with owner.session() as session:
        return {user.id: user for user in await session.scalars(select(User))}


async def audited(owner: Database) -> list[Audited]:
    """Actor, action, target and details of every row, the oldest first."""
    async with owner.session() as session:
        rows = await session.scalars(select(AuditEntry).order_by(AuditEntry.created_at, AuditEntry.id))
        return [(row.actor_id, row.action, row.target_id, row.details) for row in rows]


async def until_somebody_waits(owner: Database) -> None:
    """Until a transaction waits for a lock in this test's database."""
    waiting = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"""
    # Outside a transaction, which would see the same sessions for ever, and not one that is opened a moment later.
    watcher = owner.engine.execution_options(isolation_level="AUTOCOMMIT")
    async with asyncio.timeout(30), watcher.connect() as connection:
        while not (await connection.exec_driver_sql(waiting)).scalar():  # noqa: ASYNC110 - another server's locks
            await asyncio.sleep(0.01)
