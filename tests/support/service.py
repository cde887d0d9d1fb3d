"""The service as a process of its own, for tests that kill it or talk to it over a real socket."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import httpx
from tests.support import tokens

READY_WITHIN = 90.0
"""Seconds; a cold start imports everything on a machine that is busy with other tests."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


_ELEVATE = "from elevate_api.cli import main; main()"


class Service:
    """`elevate serve` on a port of its own. `kill()` is SIGKILL; `start()` starts it again on the same port."""

    def __init__(
        self, dsn: str, direct_dsn: str, log: Path, settings: Mapping[str, str] | None = None, *, workers: int = 1
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        self._workers = workers
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}},
            "ENVIRONMENT": "test",
            "DATABASE_URL": dsn,
            "DIRECT_URL": direct_dsn,
            "CLERK_ISSUER": tokens.ISSUER,
            "CLERK_JWT_KEY": tokens.public_pem(),
            "RATE_LIMIT_ENABLED": "false",
            "SCHEDULER_ENABLED": "false",
            "POOL_TIMEOUT": "5",
            **(settings or {}),
        }

    def start(self) -> Self:
        command = [sys.executable, "-c", _ELEVATE, "serve", "--port", str(self.port), "--workers", str(self._workers)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + READY_WITHIN
        while not self._is_up():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the service did not start:\n{self._log.read_text()[-4000:]}")
            time.sleep(0.05)
        return self

    def _is_up(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/health/live", timeout=2).status_code == httpx.codes.OK
        return False

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(timeout=20)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def environment(self) -> dict[str, str]:
        """What the process is told, for commands that are to be told the same."""
        return dict(self._environment)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None


@contextlib.contextmanager
def running_service(service: Service) -> Iterator[Service]:
    service.start()
    try:
        yield service
    finally:
        if service.running:
            service.kill()
