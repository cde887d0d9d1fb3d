"""The operating system's account that the server runs as.

PostgreSQL refuses to run as root, so root lends it to ``postgres`` or ``nobody``. Nothing that already exists is ever
chmodded for it: binaries that the account cannot read are copied, and data that it cannot reach is refused.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elevate_api.postgres import binaries as binaries_module
from elevate_api.postgres.binaries import Binaries
from elevate_api.postgres.errors import StartError


@dataclass(frozen=True)
class Account:
    """``borrowed`` is true when we are root and the server runs as somebody else."""

    uid: int
    gid: int
    name: str
    borrowed: bool

    def popen(self) -> dict[str, Any]:
        """Keywords for :mod:`subprocess` that make a child run as this account, in a folder that it can enter."""
        if not self.borrowed:
            return {"cwd": "/"}
        return {"cwd": "/", "user": self.uid, "group": self.gid, "extra_groups": []}

    def give(self, path: Path) -> Path:
        """Hands over something that we have just made."""
        if self.borrowed:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)
        return path

    def can_enter(self, folder: Path) -> bool:
        if not self.borrowed:
            return os.access(folder, os.X_OK)
        probe = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
        done = subprocess.run(probe, check=False, capture_output=True, **self.popen())  # noqa: S603 - a list, quoted
        return done.returncode == 0


def choose(data: Path) -> Account:
    """Ourselves; for root the owner of the data that is there, else ``postgres``, else ``nobody``."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), _name(os.geteuid()), borrowed=False)
    if data.exists():
        return _owner_of(data)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, name, borrowed=True)
    raise StartError("PostgreSQL does not run as root, and this system has neither an account postgres nor nobody")


def runnable_by(account: Account, binaries: Binaries, home: Path) -> Binaries:
    """Return the same binaries, or a copy under ``home`` when the account cannot run them where they are."""
    if not account.borrowed or _runs(account, binaries):
        return binaries
    if binaries.base is None:
        raise StartError(f"the account {account.name} cannot run {binaries.bindir}/postgres; install it where it can")
    copy = _copied(binaries, binaries.base, home)
    if not _runs(account, copy):
        raise StartError(f"the account {account.name} cannot run the copy in {copy.bindir} (is it mounted noexec?)")
    return copy


def _owner_of(data: Path) -> Account:
    info = data.stat()
    if info.st_uid == 0:
        raise StartError(f"{data} belongs to root, and PostgreSQL does not run as root: remove it or chown it")
    return Account(info.st_uid, info.st_gid, _name(info.st_uid), borrowed=True)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # containers run as numbers that no passwd file knows
        return str(uid)


def _runs(account: Account, binaries: Binaries) -> bool:
    keywords = account.popen()
    keywords.pop("cwd")
    try:
        binaries_module.try_run(binaries.bindir, **keywords)
    except (OSError, ValueError, subprocess.SubprocessError):
        return False
    return True


def _copied(binaries: Binaries, base: Path, home: Path) -> Binaries:
    target = home / f"bin-{binaries.label}"
    if not target.is_dir():
        _copy(base, binaries.trees, target)
    bindir = target / binaries.bindir.relative_to(base)
    return Binaries(bindir, binaries.version, binaries.source, base, binaries.trees, binaries.label)


def _copy(base: Path, trees: tuple[str, ...], target: Path) -> None:
    for old in target.parent.glob("bin-*"):  # of an earlier version, or of a copy that was killed
        shutil.rmtree(old)
    partial = Path(tempfile.mkdtemp(prefix="bin-partial-", dir=target.parent))
    for tree in trees:
        shutil.copytree(base / tree, partial / tree, symlinks=True)
    for path in (partial, *partial.rglob("*")):
        if not path.is_symlink():  # our own fresh copy, readable whatever the umask of the installation was
            path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
    partial.rename(target)
