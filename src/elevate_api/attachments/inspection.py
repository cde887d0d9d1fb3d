"""What arrived, held against what was announced: size, sha256, the kind by its bytes, the EICAR test file.

Reads a file once, in pieces, and keeps its first kilobytes only.
"""

import codecs
import hashlib
from enum import StrEnum

import puremagic

from elevate_api.attachments.names import ContentType

HEAD_BYTES = 8192
"""Enough for every signature of the five kinds; all of them stand at the start."""

# The antivirus test file of eicar.org, in two parts so that scanners leave this source alone.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class Refusal(StrEnum):
    """Why a file is refused; the wire's `reason`."""

    SIZE_DIFFERS = "SIZE_DIFFERS"
    SHA256_DIFFERS = "SHA256_DIFFERS"
    KIND_DIFFERS = "KIND_DIFFERS"
    MALWARE = "MALWARE"


class Inspection:
    """Feed it the pieces in order, then ask `verdict`."""

    def __init__(self, kind: ContentType, size: int, sha256: str) -> None:
        self._kind, self._size, self._sha256 = kind, size, sha256
        self._seen = 0
        self._digest = hashlib.sha256()
        self._head = bytearray()
        self._tail = b""
        self._eicar = False
        self._text = _Text() if kind is ContentType.CSV else None

    @property
    def is_too_long(self) -> bool:
        """Whether more has come than was announced: the rest need not be read."""
        return self._seen > self._size

    def feed(self, piece: bytes) -> None:
        self._seen += len(piece)
        self._digest.update(piece)
        self._head += piece[: HEAD_BYTES - len(self._head)]
        window = self._tail + piece
        self._eicar = self._eicar or EICAR in window
        self._tail = window[-len(EICAR) + 1 :]
        if self._text is not None:
            self._text.feed(piece)

    def verdict(self) -> Refusal | None:
        """None when the file is what was announced."""
        if self._eicar:
            return Refusal.MALWARE
        if self._seen != self._size:
            return Refusal.SIZE_DIFFERS
        if self._digest.hexdigest() != self._sha256:
            return Refusal.SHA256_DIFFERS
        return None if self._is_of_kind() else Refusal.KIND_DIFFERS

    def _is_of_kind(self) -> bool:
        head = bytes(self._head)
        if self._text is not None:
            return self._text.is_sound() and not _is_markup(head)
        return self._kind in _kinds(head)


def _kinds(head: bytes) -> set[str]:
    """What the signature database says that the file is, as media types; of several, the most certain ones."""
    try:
        found = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return set()
    best = max((match.confidence for match in found), default=0)
    return {match.mime_type for match in found if match.confidence == best}


def _is_markup(head: bytes) -> bool:
    """A page or drawing that calls itself a table."""
    return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith((b"<", b"%PDF-"))


class _Text:
    """Whether pieces add up to UTF-8 text without NUL."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._sound = True

    def feed(self, piece: bytes) -> None:
        if not self._sound:
            return
        try:
            self._sound = "\0" not in self._decoder.decode(piece)
        except UnicodeDecodeError:
            self._sound = False

    def is_sound(self) -> bool:
        try:
            self._decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
        return self._sound
