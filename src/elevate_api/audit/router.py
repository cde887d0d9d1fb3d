"""The audit log, as administrators read it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from elevate_api.audit.queries import AuditFilter, entries
from elevate_api.audit.schemas import AuditEntryOut
from elevate_api.kit.db import Tx
from elevate_api.kit.paging import Page, Paging, cut, link_next
from elevate_api.kit.routing import Router
from elevate_api.users.guards import AdminUser

router = Router(prefix="/api/admin/audit", tags=["administration"])

Word = Annotated[str, Query(max_length=255)]
Target = Annotated[
    str,
    Query(
        max_length=300,
        description="An id (`user_2abc123`), or its kind and the id (`user:user_2abc123`); no id has a colon.",
    ),
]


@router.get("", response_model=Page[AuditEntryOut])
async def list_audit_entries(
    request: Request,
    response: Response,
    session: Tx,
    _admin: AdminUser,
    paging: Paging,
    actor: Word = "",
    action: Word = "",
    target: Target = "",
) -> Page[AuditEntryOut]:
    """Who changed what, the latest first."""
    wanted = _filter(actor.strip(), action.strip(), target.strip())
    found = await entries(session, wanted, paging.fetch, paging.after(datetime, UUID))
    shown, cursor = cut(found, paging.limit, lambda entry: (entry.created_at, entry.id))
    link_next(request, response, cursor)
    return Page(items=[AuditEntryOut.model_validate(entry) for entry in shown], next_cursor=cursor)


def _filter(actor: str, action: str, target: str) -> AuditFilter:
    kind, colon, target_id = target.partition(":")
    if not colon:
        kind, target_id = "", target
    return AuditFilter(actor or None, action or None, kind or None, target_id or None)
