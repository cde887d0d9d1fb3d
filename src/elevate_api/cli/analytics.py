"""`elevate analytics`: the views."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from elevate_api.analytics import rebuild as rebuilding
from elevate_api.analytics import service, totals
from elevate_api.analytics.queries import VIEWS
from elevate_api.cli.errors import FAILED, CommandFailed
from elevate_api.cli.output import AsJson, Yes, ask, print_json, print_rows, progress
from elevate_api.cli.runtime import command_database, load_settings
from elevate_api.config import Settings
from elevate_api.kit.db import Database
from elevate_api.kit.jobs import JobResult, Outcome
from elevate_api.ops import migrations
from elevate_api.ops.roles import apply_access

app = typer.Typer(name="analytics", help="Leaderboards and metrics.", no_args_is_help=True)

TOTALS = "totals"
STATUS = ("view", "state", "indexes", "size", "rows", "refreshed_at", "age_seconds", "last_ok")


@app.callback()
def _group() -> None:
    """Leaderboards and metrics."""


@app.command()
def refresh(
    views: Annotated[list[str] | None, typer.Argument(metavar="[VIEW]...", help="Only these; default all six.")] = None,
    view: Annotated[list[str] | None, typer.Option(help="The same; may be given several times.")] = None,
    as_json: AsJson = False,
) -> None:
    """Refresh the views as the scheduler does: one run at a time, wherever it was started."""
    try:
        with progress("Refreshing"):
            result = asyncio.run(_refresh(load_settings(), [*(views or []), *(view or [])]))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if result.outcome is None:
        typer.echo(f"Another process is refreshing already (run {result.job_id}).")
        return
    if as_json:
        print_json(result.outcome)
    else:
        typer.echo("\n".join(_lines(result.outcome)))
    if not result.outcome["ok"]:
        raise typer.Exit(FAILED)


@app.command()
def status(as_json: AsJson = False) -> None:
    """How each view stands: there, filled, indexes, size, rows, age and outcome of its last refresh.

    Exit code 1 when a view is missing or empty, or its last refresh failed.
    """
    rows = asyncio.run(_status(load_settings()))
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, STATUS)
    if any(row["state"] != "filled" or row["last_ok"] is False for row in rows):
        raise typer.Exit(FAILED)


@app.command()
def fold(as_json: AsJson = False) -> None:
    """Bring the totals behind the boards up to date, as the scheduler does every second."""
    done = asyncio.run(_fold(load_settings()))
    shown = {"outcome": done.outcome, "asOf": done.as_of, "seconds": done.seconds}
    if as_json:
        print_json(shown)
    else:
        typer.echo(f"{done.outcome}, as of {done.as_of}")


@app.command()
def rebuild(
    view: Annotated[str, typer.Argument(metavar="VIEW|totals", help=f"totals, or {', '.join(VIEWS)}")], yes: Yes = False
) -> None:
    """Drop a view and create it anew from the migrations' own definition, with its indexes and grants.

    One transaction; readers of this view wait for its end. Asks first. `totals` counts everything that boards and views
    are made of anew from ledger, submissions and people; readers and writers go on.
    """
    if view == TOTALS:
        settings = load_settings()
        with progress("Counting everything anew"):
            people = asyncio.run(_rebuild_totals(settings))
        typer.echo(f"The totals of {people} people are counted anew.")
        return
    if view not in VIEWS:
        raise typer.BadParameter(f"no such analytics view: {view}", param_hint="VIEW")
    settings = load_settings()
    ask(settings, yes, f"Drop {view} and create it again? Its readers wait meanwhile.")
    with progress(f"Rebuilding {view}"):
        result = asyncio.run(_rebuild(settings, view))
    if result.outcome is not None:
        typer.echo("\n".join(_lines(result.outcome)))
    typer.echo(f"{view} is rebuilt, with its indexes and grants.")


async def _refresh(settings: Settings, views: list[str]) -> JobResult:
    embedded = settings.database.url is None  # as its owner: it may never have been prepared for the service's role
    async with command_database(settings, direct=embedded) as database:
        return await service.refresh(database, "cli", views or None)


async def _fold(settings: Settings) -> totals.Fold:
    async with command_database(settings, direct=settings.database.url is None) as database:
        return await totals.fold(database, wait=True)


async def _rebuild_totals(settings: Settings) -> int:
    async with command_database(settings) as database:
        await _refuse_pending(database)
        return await totals.rebuild(database, "elevate analytics rebuild totals")


async def _status(settings: Settings) -> list[dict[str, Any]]:
    async with command_database(settings) as database, database.session() as session:
        return await rebuilding.standing(session)


async def _rebuild(settings: Settings, view: str) -> JobResult:
    async with command_database(settings) as database:
        await _refuse_pending(database)
        async with database.session() as session:
            await rebuilding.rebuild(session, view)
            await apply_access(session)
        return await service.refresh(database, "rebuild", [view])


async def _refuse_pending(database: Database) -> None:
    """The files are those of the head; a database that stands elsewhere has other definitions."""
    async with database.session() as session:
        state = migrations.state_of(await migrations.read_current(session))
    if not state.up_to_date:
        raise CommandFailed(f"the database is at {state.current}, these definitions are of {state.head}: migrate first")


def _lines(outcome: Outcome) -> Iterator[str]:
    """Columns by hand: a table of rich breaks its cells where the output is no terminal."""
    yield f"{'view':<20}{'rows':>10}{'seconds':>10}  outcome"
    for view in outcome["views"]:
        verdict, rows = "ok" if view["ok"] else view["error"], "-" if view["rows"] is None else view["rows"]
        yield f"{view['view']:<20}{rows:>10}{view['durationSeconds']:>10.3f}  {verdict}"
