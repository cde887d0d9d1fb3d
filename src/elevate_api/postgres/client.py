"""Talks to the server with its own psql: synchronous, and no driver needed before there is a database."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import quote

from elevate_api.postgres.binaries import Binaries
from elevate_api.postgres.errors import ToolError
from elevate_api.postgres.paths import PORT

_LONGEST_NAME = 63  # NAMEDATALEN - 1; PostgreSQL cuts longer ones silently


def socket_dsn(sockets: Path, user: str, database: str) -> str:
    """Make a URL for libpq, asyncpg and (with another scheme) SQLAlchemy. It names the port, or PGPORT would."""
    return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?host={quote(str(sockets))}&port={PORT}"


def identifier(name: str) -> str:
    """Quote a name for SQL; ValueError for what no PostgreSQL name can be."""
    if not name or "\0" in name or len(name.encode()) > _LONGEST_NAME:
        raise ValueError(f"not a name of 1 to {_LONGEST_NAME} bytes: {name!r}")
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def run_sql(binaries: Binaries, dsn: str, sql: str, *, timeout: float = 120) -> str:
    """Run one statement and return unaligned rows without headers; ToolError with the server's message."""
    command = [str(binaries.tool("psql")), "-XqAt", "--no-password", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-c", sql]
    done = subprocess.run(  # noqa: S603 - a list, no shell
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        env=binaries.environment(),
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise ToolError(done.stderr.strip() or f"psql ended with {done.returncode}", done.stderr)
    return done.stdout.rstrip("\n")
