"""Applications as one would first write them with FastAPI and an ORM: complete, correct, without further thought."""

import hashlib
import json
import os
from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel
from sqlalchemy import func, select

from benchmarks.naive_writes import writes
from benchmarks.servers import KAJABI_TOKEN
from elevate_api import models as _models  # noqa: F401 - tables refer to each other
from elevate_api.kajabi.models import KajabiEvent
from elevate_api.kit.db import Address, Database
from elevate_api.points.models import LedgerEntry
from elevate_api.users.models import User

TAG = "elevate-ai-1-completed"


class Answer(BaseModel):
    event_id: UUID
    status: str
    duplicate: bool
    points_awarded: int


def webhooks() -> FastAPI:
    """Look, insert, look, sum, insert, update, commit, refresh: an object each.

    It does less than the service: one transaction, so nothing is stored when it fails, no badges, no audit row.
    """
    database = Database(Address.parse(os.environ["DATABASE_URL"]), pool_size=20)
    app = FastAPI()

    @app.post("/api/webhooks/kajabi/{token}")
    async def receive(token: str, request: Request) -> Answer:
        if token != KAJABI_TOKEN:
            raise HTTPException(401)
        body = await request.body()
        async with database.session() as session:
            digest = hashlib.sha256(body).digest()
            first = await session.scalar(select(KajabiEvent).where(KajabiEvent.body_sha256 == digest).limit(1))
            event = KajabiEvent(body=body, body_sha256=digest)
            session.add(event)
            await session.flush()
            if first is not None:
                event.status, event.duplicate_of = "DUPLICATE", first.id
                points = first.points_awarded or 0
                return Answer(event_id=first.id, status=first.status, duplicate=True, points_awarded=points)
            document = json.loads(body)
            contact, tag = document["payload"][0], document["payload"][1]["attributes"]["name"].lower()
            event.event_type, event.contact_id, event.tag = document["event"], contact["id"], tag
            event.email = contact["attributes"]["email"].lower()
            user = await session.scalar(select(User).where(User.kajabi_contact_id == event.contact_id))
            if user is None:
                same = (func.lower(User.email) == event.email, User.email_verified)
                user = await session.scalar(select(User).where(*same))
            if tag != TAG or user is None:
                event.status = "IGNORED" if tag != TAG else "UNMATCHED"
                return Answer(event_id=event.id, status=event.status, duplicate=False, points_awarded=0)
            user.kajabi_contact_id = event.contact_id
            learned = (LedgerEntry.user_id == user.id, LedgerEntry.activity_code == "LEARN")
            entries = (await session.scalars(select(LedgerEntry).where(*learned))).all()
            points = min(10, 20 - sum(entry.delta_points for entry in entries))
            cause = f"kajabi:{event.contact_id}|tag:{tag}"
            entry = LedgerEntry(user_id=user.id, activity_code="LEARN", source="WEBHOOK", delta_points=points)
            entry.external_event_id = cause
            session.add(entry)
            event.status, event.user_id, event.points_awarded = "PROCESSED", user.id, points
            await session.flush()
            await session.refresh(event)
            return Answer(event_id=event.id, status=event.status, duplicate=False, points_awarded=points)

    return app


APPS: dict[str, Callable[[], Any]] = {"naive_webhooks": webhooks, "naive_writes": writes}
"""By the name that `lab.app` takes."""
