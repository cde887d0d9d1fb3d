"""Encryption of backup files, streamed: AES-256-GCM in frames, a key of its own for each file.

    header = MAGIC(8) key id(8) salt(16)
    frame  = length(4) ciphertext      of FRAME bytes of plaintext, the last one of any size, perhaps none

The file's key is derived from the settings' key and the salt, so the nonce may count the frames; its last byte marks
the last frame. A frame that is missing, moved, repeated or cut off therefore does not decrypt (the STREAM construction
of Hoang, Reyhanitabar, Rogaway and Vizár 2015). The header is authenticated with every frame.
"""

import base64
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from elevate_api.backups.errors import Damaged, WrongKey

MAGIC = b"ELVBKUP1"
KEY_BYTES = 32
FRAME = 1 << 20
"""Bytes of plaintext in a frame: 1 MiB, what is held in memory at once."""
_ID, _SALT, _TAG = 8, 16, 16
HEADER = len(MAGIC) + _ID + _SALT


@dataclass(frozen=True, slots=True)
class Key:
    """One of the settings' keys."""

    secret: bytes

    @classmethod
    def parse(cls, text: str) -> "Key":
        """From the base64 of 32 bytes (`openssl rand -base64 32`); ValueError for anything else."""
        secret = base64.b64decode(text, validate=True)
        if len(secret) != KEY_BYTES:
            raise ValueError(f"the base64 of {KEY_BYTES} bytes is needed")
        return cls(secret)

    @property
    def id(self) -> bytes:
        """Tells which key a file needs without telling the key."""
        return self._derive(b"", b"elevate backup: key id")[:_ID]

    def for_file(self, salt: bytes) -> AESGCM:
        return AESGCM(self._derive(salt, b"elevate backup: file"))

    def _derive(self, salt: bytes, purpose: bytes) -> bytes:
        return HKDF(SHA256(), KEY_BYTES, salt, purpose).derive(self.secret)


class Encryptor:
    """Turns what is written piece by piece into the bytes of an encrypted file."""

    def __init__(self, key: Key) -> None:
        salt = secrets.token_bytes(_SALT)
        self.header = MAGIC + key.id + salt
        self._cipher = key.for_file(salt)
        self._waiting = bytearray()
        self._frames = 0

    def update(self, data: bytes) -> bytes:
        """As many whole frames as there are; one frame is always kept back, as it may be the last."""
        self._waiting += data
        out = bytearray()
        while len(self._waiting) > FRAME:
            out += self._frame(bytes(self._waiting[:FRAME]), last=False)
            del self._waiting[:FRAME]
        return bytes(out)

    def finish(self) -> bytes:
        return self._frame(bytes(self._waiting), last=True)

    def _frame(self, data: bytes, *, last: bool) -> bytes:
        sealed = self._cipher.encrypt(_nonce(self._frames, last=last), data, self.header)
        self._frames += 1
        return len(sealed).to_bytes(4, "big") + sealed


def decrypt(file: BinaryIO, keys: Sequence[Key]) -> Iterator[bytes]:
    """The plaintext, frame by frame. Raises WrongKey, and Damaged at the first frame that is not as it was written."""
    header = file.read(HEADER)
    if len(header) < HEADER or not header.startswith(MAGIC):
        raise Damaged("this is no encrypted backup, or its beginning is missing")
    wanted, salt = header[len(MAGIC) : -_SALT], header[-_SALT:]
    key = next((key for key in keys if key.id == wanted), None)
    if key is None:
        raise WrongKey(f"encrypted with the key {wanted.hex()}, which is not in BACKUP_KEY")
    cipher = key.for_file(salt)
    for number, (sealed, last) in enumerate(_with_last(_frames(file))):
        try:
            yield cipher.decrypt(_nonce(number, last=last), sealed, header)
        except InvalidTag:
            raise Damaged(f"frame {number} was changed, or the file ends before its end") from None


def _frames(file: BinaryIO) -> Iterator[bytes]:
    while prefix := file.read(4):
        length = int.from_bytes(prefix, "big")
        if len(prefix) < 4 or not _TAG <= length <= FRAME + _TAG:  # noqa: PLR2004 - the prefix's own size
            raise Damaged("the file ends in the middle of a frame, or was changed")
        sealed = file.read(length)
        if len(sealed) < length:
            raise Damaged("the file ends in the middle of a frame")
        yield sealed


def _with_last(frames: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    before: bytes | None = None
    for frame in frames:
        if before is not None:
            yield before, False
        before = frame
    if before is None:
        raise Damaged("the file ends after its header")
    yield before, True


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
