"""Root lends the server to another account; an ordinary user runs it as himself."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import platformdirs
import psutil
import pytest

import elevate_api
from elevate_api.postgres import Binaries, EmbeddedServer, StartError, account

OWNER_SCRIPT = Path(__file__).with_name("owner.py")
NOBODY = 65534
AS_NOBODY: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can lend the server to another account")


@as_root
def test_root_runs_the_server_as_another_account(server: EmbeddedServer) -> None:
    server.start()
    pid = server.status().pid
    assert pid is not None
    uids = psutil.Process(pid).uids()

    assert set(uids) == {server.layout.cluster.stat().st_uid}
    assert pwd.getpwuid(uids.real).pw_name in {"postgres", "nobody"}
    assert os.getgroups() == [] or set(psutil.Process(pid).gids()) == {server.layout.cluster.stat().st_gid}
    assert server.layout.home.stat().st_uid == 0


@as_root
def test_binaries_that_the_account_cannot_read_are_copied_and_never_opened_up(
    tmp_path: Path, data_dir: Path, binaries: Binaries
) -> None:
    assert binaries.base is not None
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for tree in binaries.trees:
        shutil.copytree(binaries.base / tree, closed / tree, symlinks=True)
    for path in closed.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)  # as an installation with umask 077 leaves them
    bindir = closed / binaries.bindir.relative_to(binaries.base)
    unreadable = Binaries(bindir, binaries.version, binaries.source, closed, binaries.trees, binaries.label)

    with EmbeddedServer(data_dir, fsync=False, binaries=unreadable) as server:
        pid = server.status().pid
        assert pid is not None
        assert data_dir in Path(psutil.Process(pid).exe()).parents
        assert server.psql("SELECT 1") == "1"
    assert closed.stat().st_mode & 0o777 == 0o700


@as_root
def test_unreadable_binaries_that_are_not_ours_to_copy_are_refused(tmp_path: Path, binaries: Binaries) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    foreign = Binaries(closed / "bin", "17.1", "ELEVATE_PG_BINDIR")
    with pytest.raises(StartError, match="cannot run"):
        account.runnable_by(account.choose(tmp_path / "none"), foreign, tmp_path)


@as_root
def test_a_data_folder_that_the_account_cannot_enter_is_refused_with_advice(tmp_path: Path, binaries: Binaries) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(StartError, match=r"cannot enter.*ELEVATE_DATA_DIR"):
        EmbeddedServer(closed / "data", binaries=binaries).start()


@as_root
def test_data_that_belongs_to_an_account_is_served_by_that_account(data_dir: Path, binaries: Binaries) -> None:
    with EmbeddedServer(data_dir, fsync=False, binaries=binaries) as server:
        cluster, sockets = server.layout.cluster, server.socket_dir
    for path in (cluster, sockets, *cluster.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    with EmbeddedServer(data_dir, fsync=False, binaries=binaries) as server:
        pid = server.status().pid
        assert pid is not None
        assert psutil.Process(pid).uids().real == 12345
        assert server.psql("SELECT 1") == "1"


def interpreter_for_anybody() -> str | None:
    """A Python of this version that an unprivileged account can run: root's own may stand under a closed home."""
    probe = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            done = subprocess.run([candidate, "-c", probe], check=False, cwd="/", **AS_NOBODY)
        except OSError:
            continue
        if done.returncode == 0:
            return candidate
    return None


def open_copy(folder: Path, binaries: Binaries) -> None:
    """What the server's owner needs, where anybody can read it: the clone itself may stand under a closed home."""
    product, libraries = Path(elevate_api.__file__).parent, folder / "libraries"
    shutil.copytree(product / "postgres", libraries / "elevate_api" / "postgres")
    shutil.copy(product / "__init__.py", libraries / "elevate_api")
    for module in (psutil, platformdirs):
        shutil.copytree(Path(str(module.__file__)).parent, libraries / module.__name__)
    for tree in binaries.trees:
        shutil.copytree(Path(str(binaries.base)) / tree, folder / "binaries" / tree, symlinks=True)
    shutil.copy(OWNER_SCRIPT, libraries)
    for path in (libraries, *libraries.rglob("*"), folder / "binaries", *(folder / "binaries").rglob("*")):
        os.chown(path, NOBODY, NOBODY)


@as_root
def test_an_ordinary_user_runs_the_server_as_himself(data_dir: Path, binaries: Binaries) -> None:
    interpreter = interpreter_for_anybody()
    if interpreter is None:
        pytest.skip("no interpreter of this version that an ordinary user could run")
    if binaries.base is None:
        pytest.skip("the binaries of the system need no copy, and other tests run them")
    open_copy(data_dir, binaries)
    home = data_dir / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "PYTHONPATH": str(data_dir / "libraries"),
        "ELEVATE_PG_BINDIR": str(data_dir / "binaries" / binaries.bindir.relative_to(binaries.base)),
    }

    done = subprocess.run(
        [interpreter, "-B", str(data_dir / "libraries" / OWNER_SCRIPT.name), str(home / "data")],
        input="sql SELECT current_user\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd="/",
        env=environment,
        **AS_NOBODY,
    )

    assert done.returncode == 0, done.stderr
    started, answer = done.stdout.splitlines()
    assert (started.split()[2], answer) == (str(NOBODY), "postgres")
    assert {path.stat().st_uid for path in (home / "data").rglob("*")} == {NOBODY}
