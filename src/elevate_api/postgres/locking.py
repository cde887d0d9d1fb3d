"""One starter or stopper of a cluster at a time."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elevate_api.postgres.errors import StartError

_POLL_SECONDS = 0.02
_LOG_BYTES = 5_000_000


@contextmanager
def exclusive(path: Path, timeout: float) -> Iterator[None]:
    """Hold the lock file; StartError after ``timeout`` seconds or when the file is another user's.

    flock and not lockf: it also keeps two threads of one process apart, and the kernel drops it with its holder.
    """
    handle = _open(path)
    try:
        _acquire(handle, path, timeout)
        yield
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise StartError(f"{path.parent} belongs to another user: set ELEVATE_DATA_DIR to a folder of yours") from error
    except OSError as error:
        raise StartError(f"cannot open {path}: {error.strerror}") from error
    _keep_owner(handle, path.parent)
    return handle


def _keep_owner(handle: int, folder: Path) -> None:
    # Root working on a user's data must not leave files there that lock the user out.
    if os.geteuid() == 0:
        info = folder.stat()
        os.fchown(handle, info.st_uid, info.st_gid)


def open_log(path: Path) -> int:
    """Return a descriptor that appends to the server's log; a log that has grown long moves aside first."""
    try:
        if path.stat().st_size > _LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
    except FileNotFoundError:
        pass
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    _keep_owner(handle, path.parent)
    return handle


def _acquire(handle: int, path: Path, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StartError(f"another process is still starting or stopping the server ({path})") from None
            time.sleep(_POLL_SECONDS)
        else:
            return
