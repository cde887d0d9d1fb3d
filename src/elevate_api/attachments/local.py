"""Evidence files on this machine's disk, for development and one-machine installs.

A file arrives in `.incoming`, is written and flushed there, and appears under its key by a hard link: whole or not at
all, and never in the place of another.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from secrets import token_hex

from elevate_api.attachments.errors import StorageUnavailable
from elevate_api.attachments.names import ContentType
from elevate_api.attachments.signing import Permit, Signer
from elevate_api.attachments.storage import (
    DOWNLOAD_LIFETIME,
    UPLOAD_LIFETIME,
    ObjectMissing,
    SignedUpload,
    is_key,
    prefix_of,
)
from elevate_api.kit.clock import utcnow
from elevate_api.kit.i18n import phrase
from elevate_api.kit.problems import BodyTooLarge, Conflict, ValidationFailed

PATH = "/api/storage/"
INCOMING = ".incoming"
PIECE = 65_536
BROKEN_OFF_SECONDS = 86_400


class LocalStorage:
    """Files under `folder`, which is made when it is first needed, for its owner only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signer = Signer(folder)

    async def sign_upload(self, key: str, kind: ContentType, size: int) -> SignedUpload:
        permit = Permit(key, kind.value, size=size)
        token = self._sign("put", permit, UPLOAD_LIFETIME.total_seconds())
        return SignedUpload(f"{PATH}{key}?token={token}", {"Content-Type": kind.value}, utcnow() + UPLOAD_LIFETIME)

    async def sign_download(self, key: str, kind: ContentType, name: str) -> str:
        token = self._sign("get", Permit(key, kind.value, name=name), DOWNLOAD_LIFETIME.total_seconds())
        return f"{PATH}{key}?token={token}"

    async def read(self, key: str) -> AsyncIterator[bytes]:
        try:
            file = await asyncio.to_thread(self.path_of(key).open, "rb")
        except FileNotFoundError:
            raise ObjectMissing(key) from None
        except OSError as error:
            raise StorageUnavailable from error
        with file:
            while piece := await asyncio.to_thread(file.read, PIECE):
                yield piece

    async def write(self, key: str, pieces: AsyncIterable[bytes], size: int) -> None:
        """Store exactly `size` bytes. Raises BodyTooLarge, ValidationFailed (fewer came), Conflict (it is there)."""
        target = self.path_of(key)
        incoming = await asyncio.to_thread(self._new_incoming)
        try:
            await _receive(incoming, pieces, size)
            await asyncio.to_thread(_publish, incoming, target)
        except FileExistsError:
            raise Conflict("This file has been uploaded already.") from None
        except OSError as error:
            raise StorageUnavailable from error
        finally:
            with suppress(OSError):
                incoming.unlink(missing_ok=True)

    async def remove(self, keys: Sequence[str]) -> None:
        try:
            for key in keys:
                await asyncio.to_thread(self.path_of(key).unlink, missing_ok=True)
        except OSError as error:
            raise StorageUnavailable from error

    async def keys_of(self, day: date) -> AsyncIterator[tuple[str, datetime]]:
        prefix = prefix_of(day)
        for name, stored in await asyncio.to_thread(lambda: list(_files(self.folder / prefix))):
            yield f"{prefix}/{name}", datetime.fromtimestamp(stored, UTC)

    async def tidy(self) -> int:
        return await asyncio.to_thread(self._remove_broken_off)

    async def aclose(self) -> None:
        return

    def path_of(self, key: str) -> Path:
        """Raises ObjectMissing for what is no key: nothing else ever becomes a path."""
        if not is_key(key):
            raise ObjectMissing(key)
        return self.folder / key

    def _sign(self, operation: str, permit: Permit, seconds: float) -> str:
        try:
            _make_folder(self.folder)
            return self.signer.sign("put" if operation == "put" else "get", permit, seconds)
        except OSError as error:
            raise StorageUnavailable from error

    def _new_incoming(self) -> Path:
        try:
            (self.folder / INCOMING).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageUnavailable from error
        return self.folder / INCOMING / token_hex(16)

    def _remove_broken_off(self) -> int:
        removed = 0
        for name, stored in _files(self.folder / INCOMING):
            if stored < time.time() - BROKEN_OFF_SECONDS:
                (self.folder / INCOMING / name).unlink(missing_ok=True)
                removed += 1
        return removed


async def _receive(target: Path, pieces: AsyncIterable[bytes], size: int) -> None:
    """Write what comes, at most `size` bytes, and flush it to the disk."""
    received = 0
    with target.open("xb") as file:
        async for piece in pieces:
            received += len(piece)
            if received > size:
                detail = phrase("The file is longer than the {size} bytes that were announced.", size=size)
                raise BodyTooLarge(detail, limit_bytes=size)
            await asyncio.to_thread(file.write, piece)
        if received < size:
            detail = phrase("{size} bytes were announced and {received} arrived.", size=size, received=received)
            raise ValidationFailed(detail)
        await asyncio.to_thread(_flush, file.fileno())


def _flush(descriptor: int) -> None:
    os.fsync(descriptor)


def _publish(incoming: Path, target: Path) -> None:
    """Raises FileExistsError where there is a file already."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.link(incoming, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _files(folder: Path) -> Iterator[tuple[str, float]]:
    """Names and times of the plain files in a folder that may not exist."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        with suppress(FileNotFoundError):
            if entry.is_file(follow_symlinks=False):
                yield entry.name, entry.stat().st_mtime


def _make_folder(folder: Path) -> None:
    """Parents stay open to the account that the embedded server runs as; the files themselves are ours alone."""
    if folder.is_dir():
        return
    parent_mode = 0o755 if os.geteuid() == 0 else 0o700
    for path in reversed([path for path in folder.parents if not path.exists()]):
        path.mkdir(mode=parent_mode, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
