"""Alerts, for administrators."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from elevate_api.alerts import service
from elevate_api.alerts.errors import AlertNotFiring
from elevate_api.alerts.evaluate import Status
from elevate_api.alerts.repository import AlertRepository, SilenceRepository
from elevate_api.alerts.schemas import AlertOut, NewSilence, SilenceOut
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Tx
from elevate_api.kit.idempotency import PROBLEMS
from elevate_api.kit.paging import Page, Paging, cut, link_next
from elevate_api.kit.problems import NotFound, responses
from elevate_api.kit.routing import Router
from elevate_api.users.guards import AdminUser
from elevate_api.users.idempotency import Idempotent

router = Router(prefix="/api/admin/alerts", tags=["administration"])


@router.get("", response_model=Page[AlertOut])
async def list_alerts(
    request: Request,
    response: Response,
    session: Tx,
    _admin: AdminUser,
    paging: Paging,
    state: Annotated[Status | None, Query(description="Only alerts in this state.")] = None,
) -> Page[AlertOut]:
    """Every rule and its state, by name. Empty until the first evaluation."""
    rows = await AlertRepository(session).page(state, paging.after(str), paging.fetch)
    shown, cursor = cut(rows, paging.limit, lambda alert: (alert.rule,))
    link_next(request, response, cursor)
    return Page(items=[AlertOut.model_validate(alert) for alert in shown], next_cursor=cursor)


@router.post("/{alert_id}/acknowledge", response_model=AlertOut, responses=responses(NotFound, AlertNotFiring))
async def acknowledge_alert(alert_id: UUID, session: Tx, admin: AdminUser) -> AlertOut:
    """Say that somebody is on it: no more reminders until it is over."""
    return AlertOut.model_validate(await service.acknowledge_by_id(session, alert_id, admin.id, utcnow()))


@router.get("/silences", response_model=Page[SilenceOut])
async def list_silences(
    request: Request, response: Response, session: Tx, _admin: AdminUser, paging: Paging
) -> Page[SilenceOut]:
    """Silences that run or are to come, the next to end first."""
    rows = await SilenceRepository(session).page(utcnow(), paging.after(datetime, UUID), paging.fetch)
    shown, cursor = cut(rows, paging.limit, lambda silence: (silence.ends_at, silence.id))
    link_next(request, response, cursor)
    return Page(items=[SilenceOut.model_validate(silence) for silence in shown], next_cursor=cursor)


@router.post("/silences", status_code=201, response_model=SilenceOut, responses=responses(*PROBLEMS))
async def add_silence(session: Tx, admin: AdminUser, _idempotent: Idempotent, new: NewSilence) -> SilenceOut:
    """Hold notices back: of one rule, or of all in a maintenance window. What is owed at the end is told then."""
    return SilenceOut.model_validate(await service.silence(session, new, admin.id, utcnow()))


@router.delete("/silences/{silence_id}", status_code=204, responses=responses(NotFound))
async def end_silence(silence_id: UUID, session: Tx, admin: AdminUser) -> None:
    """End a silence now."""
    await service.end_silence(session, silence_id, admin.id, utcnow())
