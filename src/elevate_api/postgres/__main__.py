"""``python -m elevate_api.postgres``: look at and debug the embedded server."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import subprocess
import sys
from pathlib import Path

from elevate_api.postgres.errors import EmbeddedPostgresError
from elevate_api.postgres.server import EmbeddedServer


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, that of psql, 3 for ``status`` when nothing runs, or 1 with a sentence on stderr."""
    options, rest = _parser().parse_known_args(arguments)
    server = EmbeddedServer(options.data_dir)
    try:
        return _run(options.command, server, rest)
    except EmbeddedPostgresError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _run(command: str, server: EmbeddedServer, rest: list[str]) -> int:
    if command == "start":
        return _foreground(server)
    if command == "stop":
        server.stop(adopted=True)
        return 0
    if command == "psql":
        return _psql(server, rest)
    return _status(server)


def _foreground(server: EmbeddedServer) -> int:
    """Run until Ctrl-C or SIGTERM: a server does not outlive whoever started it."""
    stops = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    with server:
        sys.stdout.write(f"{server.dsn()}\n")
        sys.stdout.flush()
        signal.sigwait(stops)
    return 0


def _psql(server: EmbeddedServer, rest: list[str]) -> int:
    """Open psql as the superuser; further arguments are psql's, a database name first of all."""
    with server:
        command = [str(server.binaries.tool("psql")), "-h", str(server.socket_dir), "-U", "postgres", *rest]
        environment = {**server.binaries.environment(), "PGDATABASE": "postgres"}
        return subprocess.run(command, check=False, env=environment).returncode  # noqa: S603 - a list, no shell


def _status(server: EmbeddedServer) -> int:
    status = server.status()
    for name, value in dataclasses.asdict(status).items():
        sys.stdout.write(f"{name:12} {'-' if value is None else value}\n")
    return 0 if status.pid else 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m elevate_api.postgres", description="The embedded PostgreSQL.")
    parser.add_argument("--data-dir", type=Path, help="default: ELEVATE_DATA_DIR or the platform's own")
    parser.add_argument("command", choices=("start", "stop", "status", "psql"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
