"""Recording a change. Call it in the transaction of the change: both commit or neither."""

from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.audit.metrics import ACTIONS
from elevate_api.audit.models import AuditEntry
from elevate_api.kit.context import current_request_id
from elevate_api.kit.metrics import after_commit
from elevate_api.kit.work import UnitOfWork


def recorded(work: UnitOfWork, action: str, rows: int = 1) -> None:
    """Count the audit rows that an SQL function has written."""
    if rows:
        work.count(partial(ACTIONS.labels(action).inc, rows))


def record(
    session: AsyncSession,
    *,
    actor_id: str | None,
    action: str,
    target_type: str,
    target_id: object,
    details: dict[str, Any] | None = None,
) -> None:
    """Add an audit row. `action` reads like `submission.approve`; `details` holds no personal data and no secret.

    `actor_id` is None for the system itself (scheduler, webhook). The request id is taken from the running request.
    """
    session.add(
        AuditEntry(
            actor_id=actor_id,
            action=action,
            target_type=target_type,
            target_id=str(target_id),
            details=details or {},
            request_id=current_request_id(),
        )
    )
    after_commit(session, ACTIONS.labels(action).inc)
