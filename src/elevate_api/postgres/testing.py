"""Clusters that live as long as a test run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from elevate_api.postgres import account as accounts
from elevate_api.postgres import postmaster
from elevate_api.postgres.binaries import Binaries
from elevate_api.postgres.errors import StartError
from elevate_api.postgres.server import EmbeddedServer

_PREFIX = "elevate-test-"  # short: the socket's path has to fit behind macOS's long temporary folder
_OWNER_FILE = "owner"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - mkdtemp makes the folder itself
_ROOM = 3 * 1024**3  # bytes that must be free there
_PATIENCE = 10  # seconds that a server may take to go


@contextmanager
def ephemeral(
    *, settings: Mapping[str, str] | None = None, binaries: Binaries | None = None
) -> Iterator[EmbeddedServer]:
    """A started server with an empty cluster that never waits for the disk; all of it is removed at the end.

    Several processes of one run (pytest-xdist) share it by ``EmbeddedServer(server.data_dir, fsync=False).start()``.
    """
    with (
        scratch_dir(_memory()) as folder,
        EmbeddedServer(folder, fsync=False, settings=settings, binaries=binaries) as server,
    ):
        yield server


@contextmanager
def scratch_dir(parent: Path | None = None) -> Iterator[Path]:
    """A temporary folder that the server's account can enter, which pytest's own is not when root runs it.

    Folders that killed runs left behind are removed on the way, with a server that may still run there.
    """
    parent = parent or _parent()
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        (folder / _OWNER_FILE).write_text(postmaster.identity(os.getpid()) or "", encoding="utf-8")
        if os.geteuid() == 0:
            folder.chmod(0o711)  # mkdtemp's 0700 would keep the server's account out
        yield folder
    finally:
        _discard(folder)


def _memory() -> Path | None:
    """A folder in memory, where a database is copied many times faster than on a busy disk; None where there is none.

    A container's is often 64 MB, or refuses to run programs, such as the copy of the server that root makes.
    """
    if not _SHARED_MEMORY.is_dir() or not os.access(_SHARED_MEMORY, os.W_OK):
        return None
    info = os.statvfs(_SHARED_MEMORY)
    roomy = info.f_bavail * info.f_frsize >= _ROOM
    return _SHARED_MEMORY if roomy and not info.f_flag & getattr(os, "ST_NOEXEC", 0) else None


def crash(server: EmbeddedServer) -> None:
    """Kill -9 the server; return when none of its processes is left. Its backends would answer a moment longer.

    ``server.start()`` brings it back, as after a power cut.
    """
    status = server.status()
    if status.pid is None:
        raise StartError("there is no server to crash")
    pid = status.pid
    os.kill(pid, signal.SIGKILL)
    postmaster.wait_until(lambda: postmaster.identity(pid) is None, _PATIENCE)
    postmaster.end_stragglers(status.cluster, _PATIENCE)


def _parent() -> Path:
    account = accounts.choose(Path("/nonexistent"))
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108 - mkdtemp makes the folder itself
        if account.can_enter(Path(parent)):
            return Path(parent)
    raise StartError(f"{account.name} can enter no temporary folder; set TMPDIR to one that it can")


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            owner = (folder / _OWNER_FILE).read_text(encoding="utf-8")
            if folder.lstat().st_uid == os.geteuid() and not postmaster.owner_lives(owner):
                _discard(folder)


def _discard(folder: Path) -> None:
    for cluster in folder.glob("postgres/data-*"):
        live = postmaster.running_on(cluster)
        if live is not None:
            os.kill(live.pid, signal.SIGQUIT)
            postmaster.end_stragglers(cluster, _PATIENCE)
    shutil.rmtree(folder, ignore_errors=True)
