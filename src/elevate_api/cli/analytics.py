"""`elevate analytics`: the views."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from elevate_api.analytics import service
from elevate_api.cli.errors import FAILED
from elevate_api.cli.runtime import command_database, load_settings
from elevate_api.config import Settings
from elevate_api.kit.jobs import JobResult, Outcome

app = typer.Typer(name="analytics", help="Leaderboards and metrics.", no_args_is_help=True)
console = Console(soft_wrap=True, highlight=False)


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
        console.print(f"Another process is refreshing already (run {result.job_id}).")
        return
    console.print(_table(result.outcome))
    if not result.outcome["ok"]:
        raise typer.Exit(FAILED)


async def _refresh(settings: Settings, views: list[str] | None) -> JobResult:
    embedded = settings.database.url is None  # as its owner: it may never have been prepared for the service's role
    async with command_database(settings, direct=embedded) as database:
        return await service.refresh(database, "cli", views or None)


def _table(outcome: Outcome) -> Table:
    table = Table("view", "rows", "seconds", "outcome", box=None, pad_edge=False)
    for view in outcome["views"]:
        verdict = "ok" if view["ok"] else view["error"]
        table.add_row(view["view"], str(view["rows"] or "-"), f"{view['durationSeconds']:.3f}", verdict)
    return table
