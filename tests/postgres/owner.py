"""A process that owns an embedded server: starts it, says so, and waits for its stdin to close.

    python owner.py DATA_DIR

With an empty DATA_DIR it uses a temporary one that goes with it. It prints a line "pid dsn uid", then answers lines
``sql ...`` on stdin.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from elevate_api.postgres import EmbeddedServer, ephemeral


def serve(context: AbstractContextManager[EmbeddedServer]) -> None:
    with context as server:
        say(f"{server.status().pid} {server.dsn()} {os.geteuid()}")
        for line in sys.stdin:
            say(server.psql(line.removeprefix("sql ")))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    folder = sys.argv[1]
    serve(EmbeddedServer(Path(folder), fsync=False) if folder else ephemeral())
