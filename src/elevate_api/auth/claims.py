"""What a verified token says about its bearer, cleaned of whatever does not belong into such a field."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from elevate_api.kit.schemas import MAX_URL, https_url

USER_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:|@+~-]{0,254}")
"""Clerk's ids are `user_` and letters; imports and tests bring others. Nothing that a URL path would have to escape."""

MAX_NAME = 200
MAX_EMAIL = 254  # RFC 5321, errata 1690
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f<>\"(),;:\\\[\]]+@[^\s@\x00-\x1f\x7f<>\"(),;:\\\[\]]+")


@dataclass(frozen=True, slots=True)
class Claims:
    """A token that was verified. `email_verified` is never true without an e-mail."""

    sub: str
    issued_at: datetime
    email: str | None = None
    email_verified: bool = False
    name: str | None = None
    username: str | None = None
    picture: str | None = None
    sid: str | None = None


def read_claims(payload: Mapping[str, Any], sub: str, issued_at: float) -> Claims:
    """Take from a verified payload what is known and sane; a malformed optional claim counts as absent."""
    email = clean_email(payload.get("email"))
    return Claims(
        sub=sub,
        issued_at=datetime.fromtimestamp(issued_at, UTC),
        email=email,
        email_verified=email is not None and payload.get("email_verified", True) in (True, "true"),
        name=clean_text(payload.get("name")),
        username=clean_text(payload.get("username")),
        picture=clean_link(payload.get("picture")),
        sid=clean_text(payload.get("sid")),
    )


def clean_text(value: Any) -> str | None:
    """One line of at most 200 printable characters, or None."""
    if not isinstance(value, str):
        return None
    printable = "".join(character if character.isprintable() else " " for character in value)
    return " ".join(printable.split())[:MAX_NAME].strip() or None


def clean_email(value: Any) -> str | None:
    """An address as it was given, without white space around it, or None for what cannot be one."""
    if not isinstance(value, str):
        return None
    address = value.strip()
    sane = len(address) <= MAX_EMAIL and address.isprintable() and _EMAIL.fullmatch(address)
    return address if sane else None


def clean_link(value: Any) -> str | None:
    """An https address that a page may show, or None."""
    if not isinstance(value, str) or len(value) > MAX_URL:
        return None
    try:
        return https_url(value.strip())
    except ValueError:
        return None
