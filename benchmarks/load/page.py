"""Puts what came out into docs/reliability.md, between the marks that bear the command's name."""

import os
import sys
from datetime import UTC, datetime

from tests.faults.report import PAGE, commit


def command_line() -> str:
    """What was run, when, at which commit, and how busy the machine was."""
    words = [word for word in sys.argv[1:] if word != "--write" and not word.startswith("/")]
    busy = f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
    command = " ".join(word for word in words if word != "--locust")
    return f"`python -m benchmarks.load {command}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {commit()}, {busy}:"


def write(name: str, text: str) -> None:
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    before, rest = PAGE.read_text(encoding="utf-8").split(begin)
    after = rest.split(end, 1)[1]
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
