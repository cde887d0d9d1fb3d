"""How commands speak: tables for people, `--json` for scripts, a word now and then while something takes its time."""

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

import structlog
import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table

from elevate_api.cli.errors import CommandFailed
from elevate_api.config import Settings

PIPED_WIDTH = 240
"""Columns where no terminal says how many there are, so that nothing is cut off for grep."""
SILENCE_SECONDS = 2.0
"""Whatever takes longer says that it is at work."""

AsJson = Annotated[bool, typer.Option("--json", help="JSON, for scripts.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

Row = Mapping[str, Any]


def console() -> Console:
    """What is printed is data (names, SQL): nothing in it is markup."""
    return Console(markup=False, highlight=False, emoji=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def print_json(value: Any) -> None:
    sys.stdout.write(TypeAdapter(Any).dump_json(value, indent=2, by_alias=True).decode() + "\n")


def print_rows(rows: Sequence[Row], columns: Sequence[str], *, title: str | None = None, none: str = "none") -> None:
    """A table; `none` is said where there is no row."""
    out = console()
    if title:
        out.print(title, style="bold")
    if not rows:
        out.print(none)
        return
    table = Table(*columns, box=None)
    for row in rows:
        table.add_row(*(cell(row.get(column)) for column in columns))
    out.print(table)


def cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value)
    return " ".join(str(value).split())


def log_to_stderr() -> None:
    """What services log must not get into what a script reads. `serve` and `dev` configure logging for themselves."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


@contextmanager
def progress(doing: str) -> Iterator[None]:
    """Say on standard error what is going on once it has taken two seconds, and again every ten."""
    done = threading.Event()

    def speak() -> None:
        wait, seconds = SILENCE_SECONDS, 0.0
        while not done.wait(wait):
            seconds, wait = seconds + wait, 10.0
            sys.stderr.write(f"{doing}: {seconds:.0f} s ...\n")
            sys.stderr.flush()

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    try:
        yield
    finally:
        done.set()
        speaker.join()


def ask(settings: Settings, yes: bool, question: str) -> None:
    """Ask before something is destroyed. Production is never asked about: it wants `--yes` (CommandFailed)."""
    if yes:
        return
    if settings.app.production:
        raise CommandFailed(f"ENVIRONMENT is {settings.app.environment}: repeat with --yes. {question}")
    typer.confirm(question, abort=True)
