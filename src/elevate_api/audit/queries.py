"""Reading the audit log, the latest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.audit.models import AuditEntry


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """None does not filter. Each has an index of its own."""

    actor_id: str | None = None
    action: str | None = None
    target_type: str | None = None
    target_id: str | None = None


async def entries(
    session: AsyncSession, wanted: AuditFilter, limit: int, after: tuple[datetime, UUID] | None
) -> Sequence[AuditEntry]:
    """From after that (created_at, id)."""
    equal = (
        (AuditEntry.actor_id, wanted.actor_id),
        (AuditEntry.action, wanted.action),
        (AuditEntry.target_type, wanted.target_type),
        (AuditEntry.target_id, wanted.target_id),
    )
    statement = select(AuditEntry).where(*(column == value for column, value in equal if value is not None))
    if after is not None:
        statement = statement.where(tuple_(AuditEntry.created_at, AuditEntry.id) < tuple_(*after))
    statement = statement.order_by(AuditEntry.created_at.desc(), AuditEntry.id.desc()).limit(limit)
    return (await session.scalars(statement)).all()
