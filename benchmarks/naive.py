"""Applications as one would first write them with FastAPI and an ORM: complete, correct, without further thought."""

import hashlib
import hmac
import json
import os
from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.naive_writes import audit, grant, writes
from benchmarks.servers import KAJABI_TOKEN
from elevate_api import models as _models  # noqa: F401 - tables refer to each other
from elevate_api.activities.models import Activity
from elevate_api.kajabi.models import KajabiEvent
from elevate_api.kit.db import Address, Database
from elevate_api.points.models import LedgerEntry
from elevate_api.users.models import User

TAG = "elevate-ai-1-completed"
TAG_POINTS = 10


class Answer(BaseModel):
    event_id: UUID
    status: str
    duplicate: bool
    points_awarded: int


def webhooks() -> FastAPI:
    """Stored first, processed second, a transaction each: look, insert; lock, look, sum, insert, update, look, audit.

    The rules of `shared/domain.md`, but for what only failures and races bring about: another attempt, copies that come
    at once, events that waited for their person.
    """
    database = Database(Address.parse(os.environ["DATABASE_URL"]), pool_size=20)
    app = FastAPI()

    @app.post("/api/webhooks/kajabi/{token}")
    async def receive(token: str, request: Request) -> Answer:
        if not hmac.compare_digest(token, KAJABI_TOKEN):
            raise HTTPException(401)
        body = await request.body()
        async with database.session() as session:
            event, first = await _store(session, body)
        if first is not None:
            return _answer(first, duplicate=True)
        async with database.session() as session:
            return await _process(session, await session.get_one(KajabiEvent, event.id, with_for_update=True))

    return app


async def _store(session: AsyncSession, body: bytes) -> tuple[KajabiEvent, KajabiEvent | None]:
    digest = hashlib.sha256(body).digest()
    same = select(KajabiEvent).where(KajabiEvent.body_sha256 == digest).order_by(KajabiEvent.created_at).limit(1)
    first = await session.scalar(same)
    event = KajabiEvent(body=body, body_sha256=digest)
    if first is not None:
        event.status, event.duplicate_of, event.processed_at = "DUPLICATE", first.id, func.now()
    document = json.loads(body)
    contact, tag = document["payload"][0], document["payload"][1]["attributes"]["name"].strip().lower()
    event.event_type, event.contact_id, event.tag = document["event"], contact["id"], tag
    event.email = contact["attributes"]["email"].strip().lower()
    session.add(event)
    await session.flush()
    return event, first


async def _process(session: AsyncSession, event: KajabiEvent) -> Answer:
    event.attempts = event.attempts + 1
    user = await _person(session, event) if event.tag == TAG else None
    if user is None:
        event.status = "IGNORED" if event.tag != TAG else "UNMATCHED"
        return _answer(event)
    granted = KajabiEvent.status == "PROCESSED", KajabiEvent.tag == event.tag
    for owner in (KajabiEvent.user_id == user.id, KajabiEvent.contact_id == event.contact_id):
        earlier = await session.scalar(select(KajabiEvent).where(*granted, owner))
        if earlier is not None:
            event.status, event.duplicate_of, event.processed_at = "DUPLICATE", earlier.id, func.now()
            return _answer(earlier, duplicate=True)
    points = await _award(session, user, event)
    bound = user.kajabi_contact_id is None
    user.kajabi_contact_id = user.kajabi_contact_id or event.contact_id
    event.status, event.user_id, event.points_awarded, event.processed_at = "PROCESSED", user.id, points, func.now()
    audit(
        session, None, "kajabi.grant", "user", user.id, eventId=str(event.id), tag=event.tag, points=points, bound=bound
    )
    await session.flush()
    await grant(session, user.id)
    return _answer(event)


async def _person(session: AsyncSession, event: KajabiEvent) -> User | None:
    """By contact, else by verified e-mail; locked."""
    user = await session.scalar(
        select(User).where(User.kajabi_contact_id == event.contact_id).with_for_update(key_share=True)
    )
    if user is None:
        same = (func.lower(User.email) == event.email, User.email_verified, User.erased_at.is_(None))
        user = await session.scalar(select(User).where(*same).with_for_update(key_share=True))
    return user


async def _award(session: AsyncSession, user: User, event: KajabiEvent) -> int:
    """What is left of the stage's cap, in the ledger."""
    activity = await session.get_one(Activity, "LEARN")
    learned = (LedgerEntry.user_id == user.id, LedgerEntry.activity_code == "LEARN")
    entries = (await session.scalars(select(LedgerEntry).where(*learned))).all()
    awarded = sum(
        entry.delta_points for entry in entries if not (entry.external_event_id or "").startswith("adjustment:")
    )
    points = max(0, min(TAG_POINTS, (activity.points_cap or TAG_POINTS) - awarded))
    if points:
        entry = LedgerEntry(user_id=user.id, activity_code="LEARN", source="WEBHOOK", delta_points=points)
        entry.external_event_id = f"kajabi:{event.contact_id}|tag:{event.tag}"
        entry.event_time = event.event_time or event.created_at
        session.add(entry)
        await session.flush()
    return points


def _answer(event: KajabiEvent, *, duplicate: bool = False) -> Answer:
    points = event.points_awarded or 0
    return Answer(event_id=event.id, status=event.status, duplicate=duplicate, points_awarded=points)


APPS: dict[str, Callable[[], Any]] = {"naive_webhooks": webhooks, "naive_writes": writes}
"""By the name that `lab.app` takes."""
