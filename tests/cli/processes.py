"""`elevate` as a process of its own: read what it prints, signal it, see how it ends."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ELEVATE = (sys.executable, "-c", "from elevate_api.cli import main; main()")
PATIENCE = 60.0
"""Seconds until a process that neither speaks nor ends is killed; a test then fails on what it did print."""


def clean_environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    return {**kept, **more}


class Running:
    """A started command; both of its streams are read as one, line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.pid = process.pid
        self.printed: list[str] = []

    def read_until(self, words: str) -> list[str]:
        """The lines up to the next with these words. AssertionError with all of them when the process ends before."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.printed.append(line.rstrip("\n"))
            if words in line:
                return self.printed
        raise AssertionError("\n".join(self.printed))

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Signal it; answer exit code and the rest of what it printed."""
        self._process.send_signal(number)
        rest, _ = self._process.communicate(timeout=PATIENCE)
        return self._process.returncode, rest


@contextmanager
def running(*arguments: str, folder: Path, **environment: str) -> Iterator[Running]:
    process = subprocess.Popen(
        [*ELEVATE, *arguments],
        cwd=folder,
        env=clean_environment(**environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watchdog = threading.Timer(PATIENCE, process.kill)
    watchdog.start()
    try:
        yield Running(process)
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def finished(*arguments: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*ELEVATE, *arguments],
        cwd=folder,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
