"""`elevate export`: data as files, streamed."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from elevate_api.addresses import replica_address
from elevate_api.cli.output import progress
from elevate_api.cli.runtime import command_address, load_settings
from elevate_api.config import Settings
from elevate_api.kit.db import Address
from elevate_api.kit.replica import usable_replica
from elevate_api.leaderboards.queries import Period
from elevate_api.transfer.exporting import Write, export_leaderboard, export_table

app = typer.Typer(name="export", help="Write data to files, streamed, at any size.", no_args_is_help=True)


class Format(StrEnum):
    CSV = "csv"
    JSON = "json"


FileFormat = Annotated[Format, typer.Option("--format", help="CSV, or JSON with an object a line.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="File, written whole or not at all; else stdout.")]
Job = Callable[[Address, Write], Awaitable[int]]


@app.command()
def users(file_format: FileFormat = Format.CSV, output: Output = None) -> None:
    """Everybody, every column; `elevate import users` takes it back exactly."""
    _export_table("users", file_format, output)


@app.command()
def submissions(file_format: FileFormat = Format.CSV, output: Output = None) -> None:
    """Every submission, every column; `elevate import submissions` takes it back exactly."""
    _export_table("submissions", file_format, output)


@app.command()
def ledger(file_format: FileFormat = Format.CSV, output: Output = None) -> None:
    """Every row of the points ledger."""
    _export_table("ledger", file_format, output)


@app.command()
def leaderboard(
    file_format: FileFormat = Format.CSV,
    output: Output = None,
    period: Annotated[Period, typer.Option(help="All time, or the last 30 days.")] = Period.ALL,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the best so many.")] = None,
) -> None:
    """The leaderboard as of its last refresh."""
    _export(
        lambda address, write: export_leaderboard(address, period, limit, write, as_json=file_format is Format.JSON),
        output,
    )


def _export_table(what: str, file_format: Format, output: Path | None) -> None:
    _export(lambda address, write: export_table(address, what, write, as_json=file_format is Format.JSON), output)


def _export(job: Job, output: Path | None) -> None:
    """From the replica where there is a good one. The number of rows is said on standard error."""
    settings = load_settings()
    with command_address(settings) as primary, destination(output) as write, progress("exporting"):
        rows = asyncio.run(_run(settings, primary, job, write))
    sys.stderr.write(f"{rows:,} rows\n")


async def _run(settings: Settings, primary: Address, job: Job, write: Write) -> int:
    address = await usable_replica(primary, replica_address(settings), settings.replica.max_lag_seconds) or primary
    return await job(address, write)


@contextmanager
def destination(output: Path | None) -> Iterator[Write]:
    """Standard output, or a file that appears when it is complete; readable by its owner only."""
    if output is None:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    partial = output.with_name(f".{output.name}.partial")
    partial.touch(mode=0o600)
    try:
        with partial.open("wb") as file:
            yield file.write
        partial.rename(output)
    finally:
        partial.unlink(missing_ok=True)
