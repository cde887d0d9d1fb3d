"""Who is running on a cluster: what ``postmaster.pid`` says, checked against the live process.

A pid alone proves nothing, it may be another program's by now; the command line decides. The server's command line also
carries its owner (pid and birth), so there is no second file that could disagree with it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

OWNER_SETTING = "elevate.owner"
_POLL_SECONDS = 0.01
_HAS_PROC = Path("/proc/self/stat").exists()
_STATUS_LINE, _SOCKET_LINE = 7, 4  # of postmaster.pid, from 0: src/include/utils/pidfile.h


@dataclass(frozen=True)
class Postmaster:
    """A live server on our cluster. ``state`` is PostgreSQL's: starting, ready, stopping, standby."""

    pid: int
    sockets: Path | None
    state: str
    owner: str | None

    @property
    def orphaned(self) -> bool:
        """Started by us for a process that is gone. A server that somebody started by hand has no owner to lose."""
        return self.owner is not None and not owner_lives(self.owner)


def identity(pid: int) -> str | None:
    """``pid/birth`` of a live process, unique until the next boot; None for a dead one or a zombie."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return f"{pid}/{_birth(process)}"
    except (psutil.Error, OSError):
        return None


def owner_lives(owner: str) -> bool:
    pid, _, _ = owner.partition("/")
    return pid.isdigit() and identity(int(pid)) == owner


def running_on(cluster: Path) -> Postmaster | None:
    """The live server of this cluster, or None when there is none or the pid file names somebody else."""
    lines = _pid_file(cluster)
    if not lines or not lines[0].strip().isdigit():
        return None
    pid = int(lines[0])
    command = _command_line(pid)
    if not _serves(command, cluster):
        return None
    sockets = lines[_SOCKET_LINE].strip() if len(lines) > _SOCKET_LINE else ""
    state = lines[_STATUS_LINE].strip() if len(lines) > _STATUS_LINE else "starting"
    return Postmaster(pid, Path(sockets) if sockets else None, state, _owner_in(command))


def clear_stale(cluster: Path, sockets: Path, patience: float) -> None:
    """Call when nothing of ours runs: lets backends of a killed server go, and drops pid files of recycled pids.

    PostgreSQL itself clears a pid file whose process is gone, but refuses to start when the number is alive again under
    its own account, whoever that is.
    """
    end_stragglers(cluster, patience)
    for stale in (cluster / "postmaster.pid", sockets / ".s.PGSQL.5432.lock"):
        pid = _first_number(stale)
        if pid is not None and psutil.pid_exists(pid):
            stale.unlink(missing_ok=True)


def end_stragglers(cluster: Path, patience: float) -> None:
    """Backends outlive a kill -9 of their server for a moment, or for a long query; no second server may join them."""
    if not (cluster / "postmaster.pid").exists():
        return
    if wait_until(lambda: not _inside(cluster), patience / 2):
        return
    for process in _inside(cluster):
        process.send_signal(signal.SIGQUIT)
    wait_until(lambda: not _inside(cluster), patience / 2)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Polls for what has no event to wait for: another process's files and death."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _birth(process: psutil.Process) -> str:
    if _HAS_PROC:
        # Ticks since boot, field 22. psutil's create_time is a wall-clock time and moves when the clock is set.
        text = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8", errors="replace")
        return text.rpartition(")")[2].split()[19]
    return f"{process.create_time():.2f}"


def _pid_file(cluster: Path) -> list[str]:
    try:
        return (cluster / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []


def _first_number(path: Path) -> int | None:
    try:
        first = path.read_text(encoding="utf-8", errors="replace").splitlines()[:1]
    except OSError:
        return None
    return abs(int(first[0])) if first and first[0].strip().lstrip("-").isdigit() else None


def _command_line(pid: int) -> list[str]:
    try:
        return list(psutil.Process(pid).cmdline())
    except psutil.Error:
        return []


def _serves(command: list[str], cluster: Path) -> bool:
    if not command or Path(command[0]).name not in {"postgres", "postmaster"} or "-D" not in command:
        return False
    folder = command[command.index("-D") + 1 :][:1]
    return bool(folder) and os.path.realpath(folder[0]) == os.path.realpath(cluster)


def _owner_in(command: list[str]) -> str | None:
    prefix = f"{OWNER_SETTING}="
    return next((word.removeprefix(prefix) for word in command if word.startswith(prefix)), None)


def _inside(cluster: Path) -> list[psutil.Process]:
    """Live server processes whose working folder is the cluster: postmaster and backends stand in it."""
    return [process for process in psutil.process_iter() if _stands_in(process, cluster)]


def _stands_in(process: psutil.Process, cluster: Path) -> bool:
    try:
        return (
            process.name().startswith("postgres")
            and process.status() != psutil.STATUS_ZOMBIE
            and os.path.realpath(str(process.cwd())) == os.path.realpath(cluster)
        )
    except (psutil.Error, OSError):
        return False
