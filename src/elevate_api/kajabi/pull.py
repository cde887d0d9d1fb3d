"""Asking Kajabi who completed what, and taking in what no webhook brought."""

import json
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from elevate_api.config import KajabiSettings
from elevate_api.kajabi import inbox
from elevate_api.kajabi.remote import Contact, KajabiApi
from elevate_api.kajabi.repository import EventRepository
from elevate_api.kit.db import Database
from elevate_api.kit.jobs import JobResult, Outcome, run_single_flight

JOB = "kajabi-pull"


@dataclass(slots=True)
class Found:
    """`contacts` were listed, `missing` of them had no event, which came to `statuses`."""

    contacts: int = 0
    missing: int = 0
    points: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    unknown_tags: list[str] = field(default_factory=list)

    def outcome(self) -> Outcome:
        return {
            "ok": True,
            "contacts": self.contacts,
            "missing": self.missing,
            "pointsAwarded": self.points,
            "statuses": dict(self.statuses),
            "unknownTags": self.unknown_tags,
        }


async def run(database: Database, settings: KajabiSettings, triggered_by: str, *, dry_run: bool = False) -> JobResult:
    """Close the gaps; one run at a time over all processes. `dry_run` only counts them.

    Raises KajabiUnavailable, and SettingsError without credentials.
    """

    async def work(_job: UUID) -> Outcome:
        async with KajabiApi.of(settings) as api:
            return (await close_gaps(database, api, settings, dry_run=dry_run)).outcome()

    return await run_single_flight(database, JOB, triggered_by, work)


async def close_gaps(database: Database, api: KajabiApi, settings: KajabiSettings, *, dry_run: bool) -> Found:
    found = Found()
    tags = await api.tag_ids(frozenset(settings.learn_tags), settings.site_id)
    found.unknown_tags = sorted(settings.learn_tags.keys() - tags.keys())
    for tag, ids in tags.items():
        for tag_id in ids:
            async for contacts in api.contacts_with(tag_id, settings.site_id):
                found.contacts += len(contacts)
                await _take_in(database, contacts, (tag_id, tag), settings, found, dry_run=dry_run)
    return found


async def _take_in(
    database: Database,
    contacts: list[Contact],
    tag: tuple[str, str],
    settings: KajabiSettings,
    found: Found,
    *,
    dry_run: bool,
) -> None:
    async with database.session() as session:
        known = await EventRepository(session).known_contacts([contact.id for contact in contacts], tag[1])
    for contact in contacts:
        if contact.id in known:
            continue
        found.missing += 1
        if dry_run:
            continue
        receipt = await inbox.receive(database, as_delivery(contact, *tag), settings.learn_tags)
        found.statuses[receipt.stored_as.value] += 1
        found.points += 0 if receipt.duplicate else receipt.points_awarded


def as_delivery(contact: Contact, tag_id: str, tag: str) -> bytes:
    """The body that the hook would have had, with no more of the contact than is needed; the same bytes every time."""
    resources = [
        {"id": contact.id, "type": "contacts", "attributes": {"email": contact.email}},
        {"id": tag_id, "type": "contact_tags", "attributes": {"name": tag}},
    ]
    document = {"id": contact.id, "event": "tag_added", "payload": resources}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
