"""`elevate ops`: what the database is doing, how it is, and what to do first."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.cli.errors import FAILED, CommandFailed
from elevate_api.cli.output import AsJson, Yes, ask, console, print_json, print_rows, progress
from elevate_api.cli.runtime import command_database, load_settings
from elevate_api.config import Settings
from elevate_api.ops.anomalies import unusual
from elevate_api.ops.inspect import indexes as index_looks
from elevate_api.ops.inspect import kill as killing
from elevate_api.ops.inspect import report as reporting
from elevate_api.ops.inspect import sessions, statements, storage
from elevate_api.ops.inspect import trends as trend_looks
from elevate_api.ops.inspect.base import Look, Row
from elevate_api.ops.inspect.reindex import NoSuchIndex
from elevate_api.ops.inspect.reindex import reindex as rebuild
from elevate_api.ops.invariants.points_are_usual import days_of_points

app = typer.Typer(name="ops", help="What the database does, how it is, what to do first.", no_args_is_help=True)

T = TypeVar("T")
Minutes = Annotated[float, typer.Option(min=0, help="Only what has lasted longer.")]
URGENCY = {1: "now", 2: "today", 3: "some time"}


def read(work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Run reads as the owner of the tables, in one transaction."""

    async def run(settings: Settings) -> T:
        async with command_database(settings) as database, database.session() as session:
            return await work(session)

    with progress("Looking"):
        return asyncio.run(run(load_settings()))


def _command(look: Look) -> None:
    def command(as_json: AsJson = False) -> None:
        rows = read(look.rows)
        _print(rows, look.columns, as_json)

    app.command(look.name, help=look.help)(command)


for _look in (
    sessions.ACTIVITY, sessions.ROLES, sessions.BLOCKING, sessions.LOCKS,
    storage.CACHE, storage.BLOAT, storage.VACUUM, storage.SIZES,
):  # fmt: skip
    _command(_look)


@app.command(help=sessions.CONNECTIONS.help)
def connections(as_json: AsJson = False) -> None:
    rows, capacity = read(_connections)
    if as_json:
        print_json({**capacity, "connections": rows})
        return
    print_rows(rows, sessions.CONNECTIONS.columns)
    console().print(f"{capacity['used']} of {capacity['usable']} connections are taken ({capacity['share']:.0%}).")


@app.command(help=statements.SLOW.help)
def slow(
    seconds: Annotated[float, typer.Option(min=0, help="Only statements that take longer.")] = statements.SLOW_SECONDS,
    as_json: AsJson = False,
) -> None:
    _print(read(lambda session: statements.slow(session, seconds)), statements.SLOW.columns, as_json)


@app.command()
def outliers(
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 20, as_json: AsJson = False
) -> None:
    """Statements by the time that they took in all; needs pg_stat_statements (exit code 1 without)."""
    rows = read(lambda session: statements.outliers(session, limit))
    if rows is None:
        raise CommandFailed("pg_stat_statements is not installed here, or not loaded; `elevate ops slow` works without")
    _print(rows, statements.OUTLIERS, as_json)


@app.command()
def indexes(
    usage: Annotated[bool, typer.Option("--usage", help="Every index with its use, instead.")] = False,
    columns: Annotated[bool, typer.Option("--columns", help="Columns that an index might suit, instead.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Small indexes and tables, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Indexes that are invalid, unused, duplicate or bloated, and places where one seems to be missing."""
    if usage or columns:
        look = index_looks.USAGE if usage else index_looks.STATISTICS
        _print(read(look.rows), look.columns, as_json)
        return
    least = {"least_bytes": 0, "least_rows": 0} if every else {}
    _print(read(lambda session: index_looks.findings(session, **least)), index_looks.COLUMNS, as_json)


@app.command()
def reindex(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[INDEX]...", help="Default: bloated and invalid.")
    ] = None,
) -> None:
    """Build indexes anew, concurrently: readers and writers go on. Removes what interrupted builds left."""
    chosen = names or [row["index"] for row in read(index_looks.findings) if row["finding"] in {"bloated", "invalid"}]
    try:
        with progress("Building"):
            removed = asyncio.run(_reindex(load_settings(), chosen))
    except NoSuchIndex as error:
        raise CommandFailed(f"there is no such index: {error}") from error
    out = console()
    for name in removed:
        out.print(f"removed  {name} (left by an interrupted build)")
    for name in chosen:
        out.print(f"rebuilt  {name}")
    if not chosen:
        out.print("No index is bloated or invalid.")


@app.command(help=trend_looks.HOURS.help)
def trends(as_json: AsJson = False) -> None:
    hours, queue, days = read(_trends)
    odd = {day.day for day in unusual(days)}
    points = [{**asdict(day), "unusual": day.day in odd} for day in days[-7:]]
    if as_json:
        print_json({"hours": hours, "queue": queue, "days": points})
        return
    print_rows(hours, trend_looks.HOURS.columns, title="Last 24 hours")
    print_rows(queue, trend_looks.QUEUE.columns, title="Waiting for review", none="nothing")
    print_rows(points, ("day", "points", "entries", "average", "unusual"), title="Points of the last 7 days")


@app.command()
def kill(
    minutes: Minutes = 10.0,
    pid: Annotated[int | None, typer.Option(help="This one, however long it has run.")] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="End the statement, keep the connection.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End statements that run too long (the manual's emergency). Spares refreshes, backups and itself; asks first."""
    look, parameters = (
        (killing.LONG_RUNNING, {"seconds": minutes * 60}) if pid is None else (killing.NAMED, {"pid": pid})
    )
    end_connections(look, parameters, yes, as_json, cancel=cancel)


@app.command()
def report(as_json: AsJson = False) -> None:
    """Everything against thresholds, on one page: what to do first. Exit code 1 when something is urgent."""
    advice = reporting.judge(read(reporting.gather))
    if as_json:
        print_json([asdict(one) for one in advice])
    else:
        rows = [{"when": URGENCY[one.urgency], "found": one.found, "do": one.do} for one in advice]
        print_rows(rows, ("when", "found", "do"), none="Nothing stands out.")
    if any(one.urgency == 1 for one in advice):
        raise typer.Exit(FAILED)


def end_connections(look: Look, parameters: dict[str, Any], yes: bool, as_json: bool, *, cancel: bool = False) -> None:
    """Show what would be ended, ask, end it. Exit code 1 when something was refused."""
    settings = load_settings()
    rows = read(lambda session: look.rows(session, **parameters))
    if not as_json:
        print_rows(rows, look.columns, none="Nothing to end.")
    ended: list[dict[str, Any]] = []
    if rows:
        ask(settings, yes, f"End {len(rows)} {'statements' if cancel else 'connections'}?")
        ended = [asdict(one) for one in asyncio.run(_end(settings, rows, cancel))]
    if as_json:
        print_json({"shown": rows, "ended": ended})
    elif ended:
        print_rows(ended, ("pid", "outcome"))
    if any(one["outcome"] == "refused" for one in ended):
        raise typer.Exit(FAILED)


async def _end(settings: Settings, rows: list[Row], cancel: bool) -> list[killing.Ended]:
    async with command_database(settings) as owner, command_database(settings, direct=False) as service:
        return await killing.end([owner, service], rows, cancel=cancel)


async def _reindex(settings: Settings, names: list[str]) -> list[str]:
    async with command_database(settings) as database:
        return await rebuild(database, names)


async def _connections(session: AsyncSession) -> tuple[list[Row], Row]:
    return await sessions.CONNECTIONS.rows(session), (await sessions.CAPACITY.rows(session))[0]


async def _trends(session: AsyncSession) -> tuple[list[Row], list[Row], Any]:
    hours, queue = await trend_looks.HOURS.rows(session), await trend_looks.QUEUE.rows(session)
    return hours, queue, await days_of_points(session, 14)


def _print(rows: list[Row], columns: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, columns)
