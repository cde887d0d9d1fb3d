"""What a webhook message says. Pure: bytes in, the event and whom it is about out."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from elevate_api.auth.claims import USER_ID
from elevate_api.users.identity import Identity, from_clerk

CREATED, UPDATED, DELETED = "user.created", "user.updated", "user.deleted"
USER_EVENTS = frozenset({CREATED, UPDATED, DELETED})
_MAX_TYPE = 100


class Unreadable(ValueError):
    """The message is signed and yet none that is known. Says why, without a word of it."""


@dataclass(frozen=True, slots=True)
class Message:
    """`user_id` of a user event; `identity` of one that tells who that is; `said_at` is when Clerk knew it."""

    event_type: str
    user_id: str | None = None
    identity: Identity | None = None
    said_at: datetime | None = None


def read(body: bytes) -> Message:
    """Raises Unreadable."""
    document = _parse(body)
    event_type, data = document.get("type"), document.get("data")
    if not isinstance(event_type, str) or not 0 < len(event_type) <= _MAX_TYPE or not isinstance(data, dict):
        raise Unreadable("no event of Clerk's")
    if event_type not in USER_EVENTS:
        return Message(event_type if event_type.isprintable() else "?")
    user_id = data.get("id")
    if not isinstance(user_id, str) or not USER_ID.fullmatch(user_id):
        raise Unreadable("a user event without a user")
    said_at = _instant(data.get("updated_at")) or _instant(document.get("timestamp"))
    if event_type == DELETED:
        return Message(event_type, user_id, said_at=said_at)
    if said_at is None:
        raise Unreadable("a user event without a time")
    return Message(event_type, user_id, from_clerk(data), said_at)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("no JSON") from None
    if not isinstance(document, dict):
        raise Unreadable("no JSON object")
    return document


def _instant(milliseconds: Any) -> datetime | None:
    if not isinstance(milliseconds, int | float) or isinstance(milliseconds, bool):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
