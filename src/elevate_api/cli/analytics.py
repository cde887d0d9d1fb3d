"""`elevate analytics`: the views."""

import asyncio
from collections.abc import Iterator
from typing import Annotated

import typer

from elevate_api.analytics import service
from elevate_api.cli.errors import FAILED
from elevate_api.cli.runtime import command_database, load_settings
from elevate_api.config import Settings
from elevate_api.kit.jobs import JobResult, Outcome

app = typer.Typer(name="analytics", help="Leaderboards and metrics.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Leaderboards and metrics."""


@app.command()
def refresh(
    view: Annotated[list[str] | None, typer.Option(help="Only this view; may be given several times.")] = None,
) -> None:
    """Refresh the views as the scheduler does: one run at a time, wherever it was started."""
    try:
        result = asyncio.run(_refresh(load_settings(), view))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if result.outcome is None:
        typer.echo(f"Another process is refreshing already (run {result.job_id}).")
        return
    for line in _lines(result.outcome):
        typer.echo(line)
    if not result.outcome["ok"]:
        raise typer.Exit(FAILED)


async def _refresh(settings: Settings, views: list[str] | None) -> JobResult:
    embedded = settings.database.url is None  # as its owner: it may never have been prepared for the service's role
    async with command_database(settings, direct=embedded) as database:
        return await service.refresh(database, "cli", views or None)


def _lines(outcome: Outcome) -> Iterator[str]:
    """Columns by hand: a table of rich breaks its cells where the output is no terminal."""
    yield f"{'view':<20}{'rows':>10}{'seconds':>10}  outcome"
    for view in outcome["views"]:
        verdict, rows = "ok" if view["ok"] else view["error"], "-" if view["rows"] is None else view["rows"]
        yield f"{view['view']:<20}{rows:>10}{view['durationSeconds']:>10.3f}  {verdict}"
