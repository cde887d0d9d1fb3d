"""Recovery to a point in time: base backups of the whole server, its archived WAL, a new data directory from both.

For the embedded server, and any other whose WAL archive is a folder that we can read. Synchronous: programs work here.
"""

import json
import os
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from elevate_api.backups import tools
from elevate_api.backups.errors import BackupFailed
from elevate_api.backups.store import sync_folder
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Address
from elevate_api.postgres import EmbeddedServer, account
from elevate_api.postgres.binaries import Binaries
from elevate_api.postgres.paths import Layout, make_home

PREFIX = "base-"
NOTE = "elevate-base.json"
ARCHIVE_SECONDS = 60
"""A segment is archived at least this often when anything was written: what a lost data directory may cost."""
RECOVERY_SECONDS = 4 * 3600
"""How long a recovery may take: the manual's objective for data recovery."""


@dataclass(frozen=True, slots=True)
class Base:
    path: Path
    finished_at: datetime
    major: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Recovered:
    base: Base
    data_dir: Path
    reached: datetime | None
    seconds: float


def archive_settings(archive: Path) -> dict[str, str]:
    """PostgreSQL's settings that make a server archive its WAL into the folder.

    A segment is copied beside its place, synced and renamed: one that has its name is whole. One that is there already
    is good when it is the same (the server asks again after a crash), and an error otherwise.
    """
    folder = _shell_safe(archive)
    there = f'test -f "{folder}/%f" && cmp -s "%p" "{folder}/%f"'
    copy = f'cp "%p" "{folder}/.%f.partial" && sync "{folder}/.%f.partial" && mv "{folder}/.%f.partial" "{folder}/%f"'
    return {
        "wal_level": "replica",
        "archive_mode": "on",
        "archive_command": f'if test -f "{folder}/%f"; then {there}; else {copy}; fi',
        "archive_timeout": str(ARCHIVE_SECONDS),
    }


def prepare_archive(archive: Path, cluster: Path) -> None:
    """Make the folder, the server's own: it writes there as its own account."""
    archive.mkdir(mode=0o700, parents=True, exist_ok=True)
    account.choose(cluster).give(archive)


def base_backup(address: Address, folder: Path) -> Base:
    """Copy the whole server while it runs, verify the copy, and only then give it its name. Raises BackupFailed."""
    started = time.monotonic()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{PREFIX}{utcnow():%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    partial, path = folder / f".{name}.partial", folder / name
    dsn, environment = tools.connection(address)
    try:
        copier = tools.find("pg_basebackup", _major(address))
        # fast: the default spreads the checkpoint over minutes. stream: the copy is whole without the archive.
        options = [f"--pgdata={partial}", "--checkpoint=fast", "--wal-method=stream", "--no-password"]
        tools.run(copier, [*options, f"--dbname={dsn}"], environment)
        tools.run(tools.find("pg_verifybackup", copier.major), [str(partial)], environment)
        base = Base(path, utcnow(), int((partial / "PG_VERSION").read_text()), round(time.monotonic() - started, 3))
        note = {"finishedAt": base.finished_at.isoformat(), "major": base.major, "seconds": base.seconds}
        (partial / NOTE).write_text(json.dumps(note), encoding="utf-8")
        partial.rename(path)
        sync_folder(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return base


def list_bases(folder: Path) -> list[Base]:
    """The oldest first."""
    bases = []
    for path in folder.glob(f"{PREFIX}*"):
        note = json.loads((path / NOTE).read_text(encoding="utf-8"))
        finished = datetime.fromisoformat(note["finishedAt"])
        bases.append(Base(path, finished, note["major"], note["seconds"]))
    return sorted(bases, key=lambda base: base.finished_at)


def choose(bases: Sequence[Base], moment: datetime | None) -> Base:
    """The newest base that was finished by then: WAL is replayed forwards only. Raises BackupFailed."""
    usable = [base for base in bases if moment is None or base.finished_at <= moment]
    if not usable:
        earliest = f"; the earliest is of {bases[0].finished_at:%Y-%m-%d %H:%M:%SZ}" if bases else ""
        raise BackupFailed(f"there is no base backup from before that time{earliest}: see `elevate backup base`")
    return usable[-1]


def recover(
    folder: Path, archive: Path, data_dir: Path, moment: datetime | None, *, binaries: Binaries | None = None
) -> Recovered:
    """Make `data_dir` an embedded server's, as the server was at `moment` (None: at the end of the archive).

    Raises BackupFailed when there is a cluster already, no base backup that is old enough, or the archive ends before
    the moment.
    """
    started = time.monotonic()
    base = choose(list_bases(folder), moment)
    server = EmbeddedServer(
        data_dir,
        settings=_recovery_settings(archive, moment),
        binaries=binaries,
        start_timeout=RECOVERY_SECONDS,
    )
    if server.binaries.major != base.major:
        raise BackupFailed(f"the base backup is of PostgreSQL {base.major}: point ELEVATE_PG_BINDIR at that version")
    _lay_down(base, server.layout)
    try:
        with server:
            asked = server.psql("SELECT pg_is_in_recovery()")
            reached = server.psql("SELECT extract(epoch FROM pg_last_xact_replay_timestamp())")
    except Exception as error:
        shutil.rmtree(server.layout.cluster, ignore_errors=True)
        if _TOO_SHORT in str(error):
            raise BackupFailed(
                "the WAL archive ends before that time: `--to latest` recovers all that it holds"
            ) from error
        raise BackupFailed(f"the recovery did not reach its end: {error}") from error
    if asked != "f":
        raise BackupFailed("the recovered server still waits for WAL")
    replayed = datetime.fromtimestamp(float(reached), UTC) if reached else None
    return Recovered(base, data_dir, replayed, round(time.monotonic() - started, 3))


_TOO_SHORT = "recovery ended before configured recovery target was reached"
"""What PostgreSQL says; the last WAL of a server that was lost may never have reached the archive."""


def _recovery_settings(archive: Path, moment: datetime | None) -> dict[str, str]:
    settings = {
        "restore_command": f'cp "{_shell_safe(archive)}/%f" "%p"',
        "recovery_target_action": "promote",
        "hot_standby": "off",  # "ready" is then said at the end of the recovery and not in its middle
        "archive_mode": "off",
    }
    return settings if moment is None else {**settings, "recovery_target_time": moment.isoformat(sep=" ")}


def _lay_down(base: Base, layout: Layout) -> None:
    make_home(layout)
    if layout.cluster.exists():
        raise BackupFailed(f"{layout.cluster} exists: recover into a fresh folder")
    owner = account.choose(layout.cluster)
    partial = layout.home / f"init-recover-{os.getpid()}"
    shutil.copytree(base.path, partial, symlinks=True)
    (partial / NOTE).unlink()
    (partial / "recovery.signal").touch()
    for path in (partial, *partial.rglob("*")):
        owner.give(path)
    partial.chmod(0o700)
    partial.rename(layout.cluster)


def _major(address: Address) -> int:
    """Asked with psql: a replication connection answers no questions."""
    dsn, environment = tools.connection(address)
    answer = tools.run(tools.find("psql", 0), ["-XqAt", "-c", "SHOW server_version_num", "-d", dsn], environment)
    return int(answer) // 10_000


def _shell_safe(path: Path) -> str:
    """The path for a command in double quotes that PostgreSQL expands; raises BackupFailed for one that would break."""
    text = str(path.absolute())
    if any(character in text for character in "\"$`\\%'\n"):
        raise BackupFailed(f"the folder {text!r} has a character in its name that a shell would take for more")
    return text
