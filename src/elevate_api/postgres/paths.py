"""Where the server keeps its things.

``<data dir>/postgres`` holds everything: ``data-17`` (the cluster, named after its major version), ``run-17`` (the
socket), ``server-17.log``, ``lock``, and for root perhaps a copy of the binaries.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from elevate_api.postgres.account import Account
from elevate_api.postgres.errors import StartError

PORT = 5432  # names the socket file only; nothing listens on the network
ROOT_DATA_DIR = Path("/var/lib/elevate")
# A Unix socket's path ends at 107 bytes on Linux and at 103 on macOS.
_LONGEST_SOCKET_PATH = 103


def default_data_dir() -> Path:
    """``ELEVATE_DATA_DIR``, else /var/lib/elevate for root, else the user's data folder of this platform."""
    explicit = os.environ.get("ELEVATE_DATA_DIR")
    if explicit:
        return Path(explicit).expanduser()
    if os.geteuid() == 0:
        return ROOT_DATA_DIR
    return platformdirs.user_data_path("elevate", appauthor=False)


@dataclass(frozen=True)
class Layout:
    """The paths of one cluster; nothing exists until it is asked for."""

    data_dir: Path
    major: int

    @property
    def home(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def cluster(self) -> Path:
        return self.home / f"data-{self.major}"

    @property
    def lock(self) -> Path:
        return self.home / "lock"

    @property
    def log(self) -> Path:
        return self.home / f"server-{self.major}.log"

    @property
    def sockets(self) -> Path:
        """The socket's folder: beside the data, or a short one under /tmp when that path would be too long."""
        beside = self.home / f"run-{self.major}"
        if len(os.fsencode(beside / f".s.PGSQL.{PORT}")) <= _LONGEST_SOCKET_PATH:
            return beside
        digest = hashlib.sha256(os.fsencode(self.cluster)).hexdigest()[:16]
        return Path("/tmp") / f"elevate-pg-{digest}"  # noqa: S108 - made 0700, and refused when somebody else's

    def other_majors(self) -> list[str]:
        return sorted(path.name for path in self.home.glob("data-*") if path != self.cluster)


def make_home(layout: Layout) -> None:
    """Creates data dir and home. For root they can be entered by the server's account but are not its own."""
    mode = 0o755 if os.geteuid() == 0 else 0o700
    missing = [path for path in (layout.home, *layout.home.parents) if not path.exists()]
    for path in reversed(missing):
        try:
            path.mkdir(exist_ok=True)
            path.chmod(mode)  # we have just made it; the umask may have been anything
        except OSError as error:
            raise StartError(
                f"cannot create {path} ({error.strerror}); set ELEVATE_DATA_DIR to a folder of yours"
            ) from error


def require_reachable(layout: Layout, account: Account) -> None:
    """A clear error instead of PostgreSQL's, when a parent folder is closed to the server's account."""
    if not account.can_enter(layout.home):
        raise StartError(
            f"the server runs as {account.name}, which cannot enter {layout.home}: "
            f"choose a data folder whose parents it can enter, such as {ROOT_DATA_DIR} (--data-dir or ELEVATE_DATA_DIR)"
        )


def make_sockets(layout: Layout, account: Account) -> Path:
    """The socket folder, 0700 and the account's own; StartError when somebody else's folder is in its place."""
    folder = layout.sockets
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        info = folder.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != account.uid:
            raise StartError(f"{folder} is not a folder of {account.name}: remove it") from None
    else:
        account.give(folder)
    return folder


def drop_sockets(layout: Layout) -> None:
    """Leaves nothing behind under /tmp; the folder beside the data may stay."""
    if layout.sockets.parent != layout.home:
        with contextlib.suppress(OSError):
            layout.sockets.rmdir()
