"""Processes that answer HTTP: the service as it is deployed, and what it is compared with."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jwt
import psutil
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from benchmarks.client import Answer, ask

ISSUER = "https://clerk.benchmarks.test"
KAJABI_TOKEN = "token-of-the-benchmarks"  # noqa: S105
CRON_SECRET = "cron-secret-of-the-benchmarks"  # noqa: S105
ROOT = Path(__file__).parent.parent
_READY_SECONDS = 60
_TOKEN_SECONDS = 24 * 3600


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def _public_pem() -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return _key().public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def session_token(user_id: str) -> str:
    """A token as Clerk's, valid for the whole run."""
    now = int(time.time())
    claims: dict[str, Any] = {"sub": user_id, "iss": ISSUER, "iat": now, "nbf": now, "exp": now + _TOKEN_SECONDS}
    claims |= {"sid": f"sess_{user_id}", "v": 2}
    return jwt.encode(claims, _key(), algorithm="RS256", headers={"kid": "benchmarks"})


def bearer(user_id: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {session_token(user_id)}"}


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    port: int
    pid: int
    log: Path

    def ask(self, sent: bytes) -> Answer:
        return ask(self.port, sent)

    def pin(self, core: int) -> None:
        """Keep it on one processor, where there are several and the system can."""
        if hasattr(os, "sched_setaffinity") and (psutil.cpu_count() or 1) > 1:
            for member in [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]:
                os.sched_setaffinity(member.pid, {core})


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def environment(dsn: str, owner_dsn: str, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the service is deployed with, but for limits (the load is one address) and its own jobs."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR")
    return {
        **{name: value for name, value in os.environ.items() if name in kept},
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "src"))),
        "ENVIRONMENT": "test",
        "DATABASE_URL": dsn,
        "DIRECT_URL": owner_dsn,
        "CLERK_ISSUER": ISSUER,
        "CLERK_JWT_KEY": _public_pem(),
        "CRON_SECRET": CRON_SECRET,
        "KAJABI_WEBHOOK_TOKENS": KAJABI_TOKEN,
        "RATE_LIMIT_ENABLED": "false",
        "SCHEDULER_ENABLED": "false",
        "ALERTS_ENABLED": "false",
        "LOG_LEVEL": "WARNING",
        **(settings or {}),
    }


@contextmanager
def running(name: str, command: list[str], env: Mapping[str, str], port: int, log: Path) -> Iterator[Server]:
    """The process, once it takes connections; ended with whatever it started."""
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - a list, no shell
            command, cwd=ROOT, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        _await(process, port, name, log)
        yield Server(name, port, process.pid, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def service_command(port: int, workers: int) -> list[str]:
    start = "from elevate_api.cli import main; main()"
    return [sys.executable, "-c", start, "serve", "--port", str(port), "--workers", str(workers)]


def app_command(name: str, port: int) -> list[str]:
    return [sys.executable, "-m", "benchmarks.apps", name, str(port)]


def _await(process: "subprocess.Popen[bytes]", port: int, name: str, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{name} did not start:\n{log.read_text(errors='replace')[-4000:]}")
