"""Svix's signatures (shared/integrations.md). Pure; the bytes that are verified are the bytes that arrived.

`svix-signature` is a list of `v1,<base64>` with a space between; any of them may fit, made with any secret in use.
"""

import base64
import binascii
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

TOLERANCE_SECONDS = 300
PREFIX = "whsec_"
_VERSION = "v1"
_MAX_ID = 255


class NotAuthentic(ValueError):
    """The message was not made by Clerk, or not now. The reason is for the log: it holds nothing of the message."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The three headers; None for one that is missing."""

    message_id: str | None
    timestamp: str | None
    signature: str | None


def key_of(secret: str) -> bytes:
    """The key in `whsec_<base64>`. Raises ValueError for what is no base64 or empty."""
    key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    if not key:
        raise ValueError("an empty key")
    return key


def verify(envelope: Envelope, body: bytes, keys: Iterable[bytes], *, now: float) -> str:
    """The message's id, once its signature and its time are good. Raises NotAuthentic."""
    message_id, timestamp, signatures = envelope.message_id, envelope.timestamp, envelope.signature
    if not message_id or not timestamp or not signatures:
        raise NotAuthentic("a header is missing")
    if len(message_id) > _MAX_ID or not message_id.isascii() or not message_id.isprintable():
        raise NotAuthentic("a message id that is none")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):  # noqa: PLR2004  (until year 33658)
        raise NotAuthentic("a timestamp that is none")
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise NotAuthentic("too old or too new")
    signed = f"{message_id}.{timestamp}.".encode() + body
    given = [decoded for decoded in map(_decoded, signatures.split(" ")) if decoded is not None]
    expected = [hmac.digest(key, signed, "sha256") for key in keys]
    # Every pair is compared, so that the time tells nothing about which one fits.
    fits = [hmac.compare_digest(one, other) for one in expected for other in given]
    if not any(fits):
        raise NotAuthentic("no signature fits")
    return message_id


def sign(message_id: str, timestamp: int, body: bytes, key: bytes) -> str:
    """What Svix would put into `svix-signature`."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return f"{_VERSION},{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"


def _decoded(part: str) -> bytes | None:
    version, comma, encoded = part.partition(",")
    if version != _VERSION or not comma:
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
