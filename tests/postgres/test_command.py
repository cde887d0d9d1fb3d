"""``python -m elevate_api.postgres``"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from elevate_api.postgres import EmbeddedServer, postmaster
from elevate_api.postgres.__main__ import main

MODULE = [sys.executable, "-m", "elevate_api.postgres"]


def test_start_serves_until_it_is_interrupted(data_dir: Path, server: EmbeddedServer) -> None:
    command = [*MODULE, "--data-dir", str(data_dir), "start"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("postgresql://elevate@/")
        pid = server.status().pid
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert pid is not None
    assert postmaster.identity(pid) is None


def test_status_tells_running_from_stopped(
    data_dir: Path, server: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data-dir", str(data_dir), "status"]) == 3
    assert "stopped" in capsys.readouterr().out
    server.start()
    assert main(["--data-dir", str(data_dir), "status"]) == 0
    assert "ready" in capsys.readouterr().out
    assert main(["--data-dir", str(data_dir), "stop"]) == 0
    assert main(["--data-dir", str(data_dir), "status"]) == 3


def test_psql_passes_its_arguments_on(data_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--data-dir", str(data_dir), "psql", "-Atc", "SELECT 6 * 7"]) == 0
    assert capfd.readouterr().out.strip() == "42"


def test_errors_are_sentences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocked = tmp_path / "a-file"
    blocked.touch()
    assert main(["--data-dir", str(blocked / "data"), "start"]) == 1
    assert "cannot create" in capsys.readouterr().err
