"""`elevate import`: files that were exported, or made by hand, back into the database."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from elevate_api.cli.errors import CommandFailed
from elevate_api.cli.output import Yes, ask, progress
from elevate_api.cli.runtime import command_address, load_settings, opened
from elevate_api.kit.db import Address
from elevate_api.transfer.files import records
from elevate_api.transfer.importing import Imported, import_rows

app = typer.Typer(name="import", help="Read files into the database, all of a file or nothing.", no_args_is_help=True)

FILE = typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="*.csv, *.json or *.ndjson.")
File = Annotated[Path, FILE]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Judge every line and keep nothing.")]


@app.command()
def users(file: File, dry_run: DryRun = False, yes: Yes = False) -> None:
    """People, as they were: roles and times included. Every fault is told with its line; then nothing is kept."""
    _import("users", file, dry_run=dry_run, yes=yes)


@app.command()
def submissions(file: File, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Submissions in whatever state they were. Import users first; `elevate points recover` awards what is due then."""
    _import("submissions", file, dry_run=dry_run, yes=yes)


def _import(table: str, file: Path, *, dry_run: bool, yes: bool) -> None:
    kind = {".csv": "csv", ".json": "json", ".ndjson": "json"}.get(file.suffix.lower())
    if kind is None:
        raise CommandFailed(f"{file.name}: the name must end in .csv, .json or .ndjson")
    settings = load_settings()
    with command_address(settings) as address:
        if not dry_run:
            ask(settings, yes, f"Import {file.name} into {table} of {address.url.database}?")
        with progress("importing"):
            result = asyncio.run(_run(address, table, file, kind, dry_run=dry_run))
    verb = "would be added" if result.dry_run else "added"
    sys.stdout.write(f"{result.added:,} {verb}, {result.unchanged:,} were there already and the same.\n")


async def _run(address: Address, table: str, file: Path, kind: str, *, dry_run: bool) -> Imported:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            async with opened(address) as database:
                return await import_rows(database, table, records(lines, kind), dry_run=dry_run)
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{file.name} is not UTF-8") from error
