"""The folder of backups: written whole or not at all, listed from the manifests."""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from elevate_api.backups.crypto import Encryptor, Key, decrypt
from elevate_api.backups.errors import BackupFailed, Damaged
from elevate_api.backups.manifest import FORMAT, Kind, Manifest, Style

CHUNK = 1 << 20
PARTIAL = ".partial"
STALE_SECONDS = 86_400
"""A partial file that nobody has written to for a day belongs to a process that was killed."""
_SUFFIXES = {Style.CUSTOM: "pgdump", Style.PLAIN: "sql", Style.CHANGES: "changes"}


class Output:
    """A file that appears under its name when all of it is on the disk: hashed, and encrypted with a key.

    Readable by its owner only. Left by an error, nothing stays.
    """

    def __init__(self, path: Path, key: Key | None) -> None:
        self.path = path
        self._partial = path.with_name(f".{path.name}{PARTIAL}")
        self._encryptor = Encryptor(key) if key else None
        self._digest = hashlib.sha256()
        self.size = 0
        self._file = os.fdopen(os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        if self._encryptor:
            self._put(self._encryptor.header)

    def write(self, data: bytes) -> None:
        self._put(self._encryptor.update(data) if self._encryptor else data)

    def finish(self) -> str:
        """Put the file in its place; answers its sha256."""
        if self._encryptor:
            self._put(self._encryptor.finish())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._partial.rename(self.path)
        sync_folder(self.path.parent)
        return self._digest.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._partial.unlink(missing_ok=True)

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)


class Store:
    """The backups in a folder. `keys`: the first one encrypts, every one decrypts; none: files stay as they are."""

    def __init__(self, folder: Path, keys: Sequence[Key] = ()) -> None:
        self.folder = folder
        self.keys = tuple(keys)

    @property
    def key(self) -> Key | None:
        return self.keys[0] if self.keys else None

    def prepare(self, needed_bytes: int) -> None:
        """Make the folder, sweep what killed runs left, see that there is room (BackupFailed)."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise BackupFailed(f"cannot use {self.folder} for backups ({error.strerror})") from error
        if free < needed_bytes:
            raise BackupFailed(
                f"{self.folder} has {free / 1e6:,.0f} MB free, a backup may take {needed_bytes / 1e6:,.0f} MB: "
                "prune old ones (`elevate backup prune`) or give BACKUP_DIR more room"
            )

    def new_name(self, kind: Kind, style: Style, now: datetime) -> tuple[str, Path]:
        """An id that sorts by time, and the file's path."""
        name = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{kind}-{secrets.token_hex(2)}"
        suffix = _SUFFIXES[style] + (".enc" if self.key else "")
        return name, self.folder / f"elevate-{name}.{suffix}"

    def add(self, manifest: Manifest) -> None:
        """Only now the backup counts: the manifest is written last."""
        with Output(self._manifest_path(manifest.id), None) as output:
            output.write((manifest.model_dump_json(indent=2) + "\n").encode())
            output.finish()

    def list(self) -> list[Manifest]:
        """Every backup, the oldest first. Raises Damaged for a manifest that cannot be read."""
        manifests = [self._read(path) for path in self.folder.glob("elevate-*.json")]
        return sorted(manifests, key=lambda manifest: (manifest.snapshot.taken_at, manifest.id))

    def find(self, wanted: str) -> Manifest:
        """By id, or `latest`: the newest that can be restored. Raises BackupFailed."""
        candidates = self.list()
        if wanted == "latest":
            candidates = [manifest for manifest in candidates if manifest.restorable]
        else:
            candidates = [manifest for manifest in candidates if manifest.id == wanted]
        if not candidates:
            raise BackupFailed(f"there is no backup {wanted} in {self.folder}: see `elevate backup list`")
        return candidates[-1]

    def chunks(self, manifest: Manifest) -> Iterator[bytes]:
        """The file's contents, decrypted. Raises Damaged or WrongKey."""
        try:
            with self.path_of(manifest).open("rb") as file:
                if manifest.encrypted:
                    yield from decrypt(file, self.keys)
                else:
                    while chunk := file.read(CHUNK):
                        yield chunk
        except FileNotFoundError:
            raise Damaged(f"the file {manifest.file} is gone") from None

    def check(self, manifest: Manifest) -> None:
        """Compare size and sha256 with the manifest, and decrypt what is encrypted. Raises Damaged or WrongKey."""
        path = self.path_of(manifest)
        if not path.is_file():
            raise Damaged(f"the file {manifest.file} is gone")
        size = path.stat().st_size
        if size != manifest.size_bytes:
            raise Damaged(f"{manifest.file} has {size:,} bytes and had {manifest.size_bytes:,}")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != manifest.sha256:
                raise Damaged(f"{manifest.file} was changed: its sha256 is another one")
        if manifest.encrypted:
            for _ in self.chunks(manifest):
                pass

    def remove(self, manifest: Manifest) -> None:
        """The manifest first: a file without one does not count."""
        self._manifest_path(manifest.id).unlink(missing_ok=True)
        self.path_of(manifest).unlink(missing_ok=True)

    def path_of(self, manifest: Manifest) -> Path:
        path = self.folder / manifest.file
        if path.parent != self.folder:
            raise Damaged(f"the manifest of {manifest.id} names a file elsewhere")
        return path

    def _manifest_path(self, name: str) -> Path:
        return self.folder / f"elevate-{name}.json"

    def _read(self, path: Path) -> Manifest:
        try:
            manifest = Manifest.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, ValidationError) as error:
            raise Damaged(f"the manifest {path.name} cannot be read; move it away") from error
        if manifest.format != FORMAT:
            raise Damaged(f"{path.name} is of format {manifest.format}, this version reads {FORMAT}")
        return manifest

    def _sweep(self) -> None:
        now = datetime.now(UTC).timestamp()
        for path in self.folder.glob(f".elevate-*{PARTIAL}"):
            if now - path.stat().st_mtime > STALE_SECONDS:
                path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename in it survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
