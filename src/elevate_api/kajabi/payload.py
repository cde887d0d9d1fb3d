"""What a delivery says. Pure: bytes in, the few fields that matter out, whichever shape they came in.

Kajabi's own hooks carry JSON:API resources, relays a flat object, the older dashboard webhooks a member and an offer
(shared/integrations.md). Fields that nobody needs here are not judged: only bodies that cannot be used are refused.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

MAX_NAME = 200
"""Longest event name and tag, in characters."""
MAX_AHEAD = timedelta(days=1)
"""A time further in the future than any clock is wrong is taken for no time at all."""
_CONTACT_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")
"""It becomes part of a name in the ledger, which can never be changed: no separator of that name, no e-mail address."""
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_ADDED = frozenset({"tag_added", "contact.tagged", "tag.added"})
_REMOVED = frozenset({"tag_removed", "tag.removed"})
_DASHBOARD = ("member", "offer")


class Kind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    OTHER = "other"


class NotJson(ValueError):
    """The body is no JSON object. The message says why, without a word of the body."""


class UnknownShape(ValueError):
    """The body is JSON of no shape that is known, or lacks what its event needs."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """`tag` and `email` are lower-cased and trimmed; a tag event has a tag, and a contact id or an e-mail."""

    event_type: str | None
    kind: Kind
    contact_id: str | None = None
    email: str | None = None
    tag: str | None = None
    event_time: datetime | None = None


def kind_of(event_type: str | None) -> Kind:
    if event_type in _ADDED:
        return Kind.ADDED
    return Kind.REMOVED if event_type in _REMOVED else Kind.OTHER


def read(body: bytes, *, now: datetime) -> Delivery:
    """Raises NotJson or UnknownShape."""
    document = _parse(body)
    if "event" in document and isinstance(document.get("payload"), list | dict):
        found = _hook(document)
    elif "event_type" in document:
        found = _flat(document, now)
    else:
        found = _dashboard(document)
    if found.kind is not Kind.OTHER and (found.tag is None or (found.contact_id is None and found.email is None)):
        raise UnknownShape("a tag event without a tag, or without a contact")
    return found


def _parse(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except RecursionError:
        raise NotJson("nested too deep") from None
    except ValueError as error:  # not UTF-8, not JSON, or a number of thousands of digits
        raise NotJson(f"not JSON ({type(error).__name__})") from None
    if not isinstance(document, dict):
        raise NotJson("no JSON object")
    return document


def _hook(document: Mapping[str, Any]) -> Delivery:
    """`{"id", "event", "payload": [resources]}`."""
    event_type = _name(document["event"])
    if event_type is None:
        raise UnknownShape("an event without a name")
    resources = list(_resources(document["payload"]))
    contact, tag = _first(resources, "contacts"), _first(resources, "contact_tags")
    attributes = _mapping(contact.get("attributes"))
    return Delivery(
        event_type,
        kind_of(event_type),
        _contact_id(contact.get("id")),
        _email(attributes.get("email")),
        _tag(_mapping(tag.get("attributes")).get("name")),
    )


def _flat(document: Mapping[str, Any], now: datetime) -> Delivery:
    """`{"event_id", "event_type", "created_at"?, "contact": {"id", "email"}, "tag": {"name"}}`."""
    event_type = _name(document["event_type"])
    if event_type is None:
        raise UnknownShape("an event without a name")
    contact, tag = _mapping(document.get("contact")), _mapping(document.get("tag"))
    return Delivery(
        event_type,
        kind_of(event_type),
        _contact_id(contact.get("id")),
        _email(contact.get("email")),
        _tag(tag.get("name")),
        _time(document.get("created_at"), now),
    )


def _dashboard(document: Mapping[str, Any]) -> Delivery:
    """An older webhook such as `purchase.created`: nothing to grant; the address, so that an erasure finds it."""
    event_type = _name(document.get("event")) or _name(document.get("type"))
    member = _mapping(document.get("member"))
    if event_type is None and not any(key.startswith(_DASHBOARD) for key in document):
        raise UnknownShape("no event")
    if kind_of(event_type) is not Kind.OTHER:
        raise UnknownShape("a tag event without its resources")
    return Delivery(event_type, Kind.OTHER, email=_email(member.get("email") or document.get("member_email")))


def _resources(payload: Any) -> Iterator[Mapping[str, Any]]:
    for resource in payload if isinstance(payload, list) else [payload]:
        if isinstance(resource, dict):
            yield resource


def _first(resources: list[Mapping[str, Any]], kind: str) -> Mapping[str, Any]:
    return next((resource for resource in resources if resource.get("type") == kind), {})


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _name(value: Any) -> str | None:
    return value.strip() if isinstance(value, str) and _fits(value.strip()) else None


def _tag(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _fits(value.strip()):
        raise UnknownShape("a tag that is no short text")
    return value.strip().lower()


def _email(value: Any) -> str | None:
    """An address to look somebody up by; what is none is left out."""
    if not isinstance(value, str) or "@" not in value or not _fits(value.strip()):
        return None
    return value.strip().lower()


def _contact_id(value: Any) -> str | None:
    if value is None or value == "":
        return None
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not _CONTACT_ID.fullmatch(text):
        raise UnknownShape("a contact id that is none")
    return text


def _fits(text: str) -> bool:
    return 0 < len(text) <= MAX_NAME and _UNSTORABLE.search(text) is None


def _time(value: Any, now: datetime) -> datetime | None:
    """RFC 3339 with an offset, or none: an old or late event is as good as a fresh one."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip()).astimezone(UTC) if "T" in value.upper() else None
    except (ValueError, OverflowError):
        return None
    return found if found is not None and found <= now + MAX_AHEAD else None
