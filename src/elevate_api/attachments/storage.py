"""Where evidence files are kept, as a protocol with two implementations: `supabase` and `local`.

An object is written once, through a signed upload, and never overwritten: what was inspected is what is shown. Keys
are `YYYY/MM/DD/<attachment id>` by the day (UTC) of the announcement, so that a day can be listed; nothing in a key or
in an object's metadata says whose it is.
"""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol
from uuid import UUID

from elevate_api.attachments.names import ContentType

UPLOAD_LIFETIME = timedelta(hours=2)
"""How long an upload URL works: Supabase's own figure, and the one that the database counts with."""

DOWNLOAD_LIFETIME = timedelta(minutes=15)
"""Of a download URL; shared/api.md allows an hour. Whoever has it can read the file, so it is short."""

_KEY = re.compile(r"\d{4}/\d{2}/\d{2}/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class ObjectMissing(LookupError):
    """There is no object of that key."""


@dataclass(frozen=True, slots=True)
class SignedUpload:
    """How to send the file. `url` may be relative to this API."""

    url: str
    headers: dict[str, str]
    expires_at: datetime
    method: str = "PUT"


class Storage(Protocol):
    """All methods raise StorageUnavailable when the store does not answer as it should."""

    async def sign_upload(self, key: str, kind: ContentType, size: int) -> SignedUpload: ...

    async def sign_download(self, key: str, kind: ContentType, name: str) -> str:
        """A URL (perhaps relative to this API) that downloads the object under `name` for DOWNLOAD_LIFETIME."""
        ...

    def read(self, key: str) -> AsyncIterator[bytes]:
        """The object in pieces. Raises ObjectMissing at the first."""
        ...

    async def remove(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are removed already."""
        ...

    def keys_of(self, day: date) -> AsyncIterator[tuple[str, datetime]]:
        """Keys of a day's objects and when each was stored."""
        ...

    async def tidy(self) -> int:
        """Remove what broken-off uploads left behind; answers how many."""
        ...

    async def aclose(self) -> None: ...


def new_key(attachment_id: UUID, at: datetime) -> str:
    return f"{prefix_of(at.date())}/{attachment_id}"


def prefix_of(day: date) -> str:
    return f"{day:%Y/%m/%d}"


def is_key(text: str) -> bool:
    """Whether `text` has the exact form of a key: nothing else may come near a path."""
    return _KEY.fullmatch(text) is not None
