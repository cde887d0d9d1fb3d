"""Reconciliation: what Kajabi reported, whom it belongs to, and another try."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path, Request, Response

from elevate_api.kajabi import queries, replay, service
from elevate_api.kajabi.errors import EventIsFinal, EventUnreadable
from elevate_api.kajabi.models import KajabiEvent
from elevate_api.kajabi.repository import EventRepository
from elevate_api.kajabi.rules import Status
from elevate_api.kajabi.schemas import KajabiEventDetail, KajabiEventOut, MatchRequest, ReplayOut, ReplayRequest
from elevate_api.kit.db import Tx
from elevate_api.kit.paging import Page, Paging, cut, decode_cursor, encode_cursor, link_next
from elevate_api.kit.problems import Conflict, NotFound, responses
from elevate_api.kit.routing import Router
from elevate_api.users.errors import KajabiContactTaken
from elevate_api.users.guards import AdminUser

router = Router(prefix="/api/admin/kajabi/events", tags=["administration"])

EventId = Annotated[UUID, Path(description="Of a stored delivery.")]


@router.get("", response_model=Page[KajabiEventOut])
async def list_events(
    request: Request, response: Response, session: Tx, _admin: AdminUser, paging: Paging, status: Status | None = None
) -> Page[KajabiEventOut]:
    """Stored deliveries, the newest first."""
    rows = await queries.page(session, status, paging.after(datetime, UUID), paging.fetch)
    shown, cursor = cut(rows, paging.limit, lambda event: (event.created_at, event.id))
    link_next(request, response, cursor)
    return Page(items=[KajabiEventOut.model_validate(event) for event in shown], next_cursor=cursor)


@router.get("/{event_id}", response_model=KajabiEventDetail, responses=responses(NotFound))
async def show_event(event_id: EventId, session: Tx, _admin: AdminUser) -> KajabiEventDetail:
    return _detail(await _event(session, event_id))


@router.post(
    "/{event_id}/match",
    response_model=KajabiEventDetail,
    responses=responses(NotFound, EventIsFinal, EventUnreadable, Conflict, KajabiContactTaken),
)
async def match_event(
    request: Request, event_id: EventId, wanted: MatchRequest, session: Tx, admin: AdminUser
) -> KajabiEventDetail:
    """Say whose completion this is. Binds the Kajabi contact to them if they have none, and settles what else waits."""
    learn_tags = request.app.state.settings.kajabi.learn_tags
    await service.match(session, event_id, wanted.user_id, admin.id, learn_tags)
    return _detail(await _event(session, event_id))


@router.post("/{event_id}/replay", response_model=KajabiEventDetail, responses=responses(NotFound))
async def replay_event(request: Request, event_id: EventId, session: Tx, admin: AdminUser) -> KajabiEventDetail:
    """Process it again from what arrived. What is final stays as it is."""
    await replay.one(session, event_id, admin.id, request.app.state.settings.kajabi.learn_tags)
    return _detail(await _event(session, event_id))


@router.post("/replay", response_model=ReplayOut)
async def replay_events(request: Request, wanted: ReplayRequest, session: Tx, admin: AdminUser) -> ReplayOut:
    """Process every event of a status again, a hundred a call."""
    after = decode_cursor(wanted.cursor, (datetime, UUID)) if wanted.cursor is not None else None
    learn_tags = request.app.state.settings.kajabi.learn_tags
    done = await replay.batch(session, wanted.status, (after[0], after[1]) if after else None, admin.id, learn_tags)
    return ReplayOut(
        examined=done.examined,
        changed=done.changed,
        failed=done.failed,
        points_awarded=done.points,
        next_cursor=encode_cursor(done.last) if done.last is not None else None,
    )


async def _event(session: Tx, event_id: UUID) -> KajabiEvent:
    event = await EventRepository(session).get(event_id)
    if event is None:
        raise NotFound
    return event


def _detail(event: KajabiEvent) -> KajabiEventDetail:
    shown = KajabiEventOut.model_validate(event).model_dump(by_alias=False)
    return KajabiEventDetail(**shown, body=event.body.decode("utf-8", "replace"))
