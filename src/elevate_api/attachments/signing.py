"""Links of the local store: a short token that says what one request may do, under HMAC-SHA256 with our own key."""

import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Literal

import jwt

from elevate_api.attachments.errors import UploadLinkInvalid

ALGORITHM = "HS256"
KEY_FILE = "signing-key"
KEY_BYTES = 32
Operation = Literal["put", "get"]


@dataclass(frozen=True, slots=True)
class Permit:
    """What a link allows. `size` counts for uploads, `name` for downloads."""

    key: str
    kind: str
    size: int = 0
    name: str = ""


class Signer:
    """The key is made once in `folder` and shared by every process of the machine."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / KEY_FILE
        self._key: bytes | None = None

    def sign(self, operation: Operation, permit: Permit, seconds: float) -> str:
        claims: dict[str, Any] = {
            "op": operation,
            "key": permit.key,
            "kind": permit.kind,
            "size": permit.size,
            "name": permit.name,
            "exp": int(time.time() + seconds),
        }
        return jwt.encode(claims, self._load(), algorithm=ALGORITHM)

    def verify(self, operation: Operation, key: str, token: str) -> Permit:
        """Raises UploadLinkInvalid unless the token allows exactly this now."""
        try:
            claims = jwt.decode(token, self._load(), algorithms=[ALGORITHM], options={"require": ["exp"]})
        except jwt.InvalidTokenError:
            raise UploadLinkInvalid from None
        if claims.get("op") != operation or claims.get("key") != key:
            raise UploadLinkInvalid
        return Permit(key, claims["kind"], claims["size"], claims["name"])

    def _load(self) -> bytes:
        if self._key is None:
            if not self._path.exists():
                _create(self._path)
            self._key = self._path.read_bytes()
        return self._key


def _create(path: Path) -> None:
    """Two processes that find none agree on one: a hard link fails where a rename would replace."""
    with NamedTemporaryFile(dir=path.parent, prefix=".key-") as draft:  # made 0600
        draft.write(secrets.token_bytes(KEY_BYTES))
        draft.flush()
        os.fsync(draft.fileno())
        try:
            os.link(draft.name, path)
        except FileExistsError:
            return
