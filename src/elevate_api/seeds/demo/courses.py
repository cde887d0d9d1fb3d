"""What Kajabi reported to the demo: course tags that granted LEARN, and the noise around them."""

import hashlib
import json
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from elevate_api.kajabi.models import KajabiEvent
from elevate_api.points import events
from elevate_api.points.rules import ActivityCode
from elevate_api.seeds.demo.book import Book, Row
from elevate_api.seeds.demo.journey import Journey
from elevate_api.seeds.demo.people import Person
from elevate_api.seeds.demo.plan import PlannedTag

LEARN_TAGS = {"elevate-ai-1-completed": 10, "elevate-ai-2-completed": 10}
OTHER_TAGS = ("webinar-mei", "newsletter")
STRANGERS = ("calon.peserta@sekolah.example", "guru.baru@sekolah.example", "tamu@sekolah.example")
OTHER_TAG_SHARE, DUPLICATE_SHARE = 0.15, 0.06


def take_courses(journey: Journey, contact_id: str, planned: list[PlannedTag]) -> None:
    """Every tag as an event of its own; now and then one arrives twice, or another tag comes along."""
    rng = journey.rng
    for item in planned:
        journey.at(item.at, partial(_grant, journey, contact_id, item.tag))
    if planned and rng.random() < OTHER_TAG_SHARE:
        tag = rng.choice(OTHER_TAGS)
        journey.at(planned[0].at - timedelta(hours=5), partial(_ignore, journey, contact_id, tag))


def _grant(journey: Journey, contact_id: str, tag: str, at: datetime) -> None:
    stage, person = ActivityCode.LEARN, journey.person
    points = journey.room(stage, LEARN_TAGS[tag])
    matched = {"user_id": person.id, "status": "PROCESSED", "points_awarded": points, "processed_at": at}
    event = _write(journey.book, contact_id, person.email, tag, at, matched)
    journey.award(stage, "WEBHOOK", points, events.kajabi_grant(contact_id, tag), at)
    if journey.rng.random() < DUPLICATE_SHARE:
        again = matched | {"status": "DUPLICATE", "points_awarded": None, "duplicate_of": event["id"]}
        _write(journey.book, contact_id, person.email, tag, at + timedelta(seconds=40), again)


def _ignore(journey: Journey, contact_id: str, tag: str, at: datetime) -> None:
    person: Person = journey.person
    seen = {"user_id": person.id, "status": "IGNORED", "processed_at": at}
    _write(journey.book, contact_id, person.email, tag, at, seen)


def strangers(book: Book, now: datetime) -> None:
    """Completions of people who have never signed in: they wait, unmatched."""
    for number, email in enumerate(STRANGERS, start=1):
        at = now - timedelta(days=4 * number, hours=number)
        _write(book, str(80_000_000 + number), email, "elevate-ai-1-completed", at, {"status": "UNMATCHED"})


def _write(book: Book, contact_id: str, email: str, tag: str, at: datetime, outcome: Row) -> Row:
    body = _body(contact_id, email, tag)
    fresh: Row = {"points_awarded": None, "duplicate_of": None, "processed_at": None, "user_id": None}
    what = {"event_type": "tag_added", "contact_id": contact_id, "email": email, "tag": tag}
    stored = {"id": book.new_id(at), "body": body, "body_sha256": hashlib.sha256(body).digest(), "created_at": at}
    return book.add(KajabiEvent, stored | what | fresh | {"attempts": 1} | outcome)


def _body(contact_id: str, email: str, tag: str) -> bytes:
    """As Kajabi sends it (shared/integrations.md): JSON:API resources, no event time."""
    contact: dict[str, Any] = {"id": contact_id, "type": "contacts", "attributes": {"email": email}}
    label = {"id": f"tag-{tag}", "type": "contact_tags", "attributes": {"name": tag}}
    return json.dumps({"id": contact_id, "event": "tag_added", "payload": [contact, label]}).encode()
