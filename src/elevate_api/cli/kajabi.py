"""`elevate kajabi`: what Kajabi reported, and the ways to bring back what was lost."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from elevate_api.cli.errors import FAILED, CommandFailed
from elevate_api.cli.runtime import command_address, load_settings
from elevate_api.config import Settings
from elevate_api.kajabi import imports, pull, queries, replay, service
from elevate_api.kajabi.remote import KajabiUnavailable
from elevate_api.kajabi.rules import Status
from elevate_api.kajabi.schemas import KajabiEventOut
from elevate_api.kit.db import Database
from elevate_api.users.repository import UserRepository

MAX_LISTED = 1000
CONNECTIONS = 4
app = typer.Typer(name="kajabi", help="Course completions: look, match, replay, import, pull.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="JSON, with the names of the API.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]
Result = TypeVar("Result")


@app.command()
def events(
    status: Annotated[Status | None, typer.Option(case_sensitive=False, help=", ".join(Status))] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LISTED)] = 50,
    as_json: AsJson = False,
) -> None:
    """Stored deliveries, the newest first."""

    async def work(_settings: Settings, database: Database) -> list[KajabiEventOut]:
        async with database.session() as session:
            return [KajabiEventOut.model_validate(row) for row in await queries.page(session, status, None, limit)]

    found = _run(work)
    if as_json:
        _print_json([event.model_dump(mode="json") for event in found])
        return
    table = Table("id", "received", "status", "event", "contact", "e-mail", "tag", "person", "points", "why", box=None)
    for event in found:
        table.add_row(
            str(event.id), f"{event.created_at:%Y-%m-%d %H:%M}", event.status, event.event_type or "",
            event.contact_id or "", event.email or "", event.tag or "", event.user_id or "",
            "" if event.points_awarded is None else str(event.points_awarded), event.error or "",
        )  # fmt: skip
    _console().print(table)


@app.command()
def match(
    event_id: Annotated[UUID, typer.Argument(metavar="EVENT")],
    user_id: Annotated[str, typer.Argument(metavar="USER", help="Id of the person.")],
) -> None:
    """Say whose completion this is; their other waiting ones follow. The audit log keeps it, without an actor."""

    async def work(settings: Settings, database: Database) -> str:
        async with database.session() as session:
            if await UserRepository(session).get(user_id) is None:
                raise CommandFailed(f"there is nobody with the id {user_id}")
            decision = await service.match(session, event_id, user_id, None, settings.kajabi.learn_tags)
        return f"{event_id}: {decision.status}, {decision.points or 0} points"

    typer.echo(_run(work))


@app.command("replay")
def replay_events(
    event_id: Annotated[UUID | None, typer.Argument(metavar="[EVENT]", help="One event.")] = None,
    status: Annotated[Status | None, typer.Option(case_sensitive=False, help="Every event of a status.")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Process events again from what arrived. What is final stays; doing it twice changes nothing."""
    if (event_id is None) == (status is None):
        raise typer.BadParameter("name one event, or a status")

    async def work(settings: Settings, database: Database) -> replay.Tally:
        if event_id is not None:
            keys, was = [event_id], await _status_of(database, event_id)
        else:
            was = status or Status.UNMATCHED
            keys = await _all(database, was)
        tags = settings.kajabi.learn_tags
        with _progress(len(keys), "replaying") as advance:
            return await replay.several(database, keys, was, tags, advance, dry_run=dry_run)

    done = _run(work)
    result = {"examined": done.examined, "changed": done.changed, "failed": done.failed, "pointsAwarded": done.points}
    would = "would change" if dry_run else "changed"
    line = f"{done.examined} looked at, {done.changed} {would}, {done.failed} failed, {done.points} points"
    _print_json({**result, "dryRun": dry_run}) if as_json else typer.echo(line)
    if done.failed and event_id is not None:
        raise typer.Exit(FAILED)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON lines, or CSV with a header.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take in old deliveries: raw bodies a line each, or a CSV of contact, email, tag, time.

    The whole file is judged first; faults are named by line and nothing is written. Taking it in twice changes nothing.
    """
    try:
        entries = imports.read_file(file)
    except imports.ImportRejected as rejected:
        for line, fault in rejected.faults:
            sys.stderr.write(f"{file}:{line}: {fault}\n")
        raise CommandFailed("nothing was imported") from rejected

    async def work(settings: Settings, database: Database) -> imports.Outcome:
        run = imports.preview if dry_run else imports.take_in
        with _progress(len(entries), "judging" if dry_run else "importing") as advance:
            return await run(database, entries, settings.kajabi.learn_tags, advance)

    done = _run(work)
    result = {
        "entries": len(entries), "known": done.known, "statuses": dict(done.statuses), "pointsAwarded": done.points,
        "dryRun": dry_run,
    }  # fmt: skip
    if as_json:
        _print_json(result)
        return
    counts = ", ".join(f"{number} {status}" for status, number in sorted(done.statuses.items())) or "nothing new"
    verb = "would come to" if dry_run else "came to"
    typer.echo(f"{len(entries)} deliveries, {done.known} known already; the others {verb}: {counts}; "
               f"{done.points} points")  # fmt: skip


@app.command("pull")
def pull_completions(dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Ask Kajabi's API who has the learn tags, and take in what no webhook brought."""

    async def work(settings: Settings, database: Database) -> Any:
        try:
            return await pull.run(database, settings.kajabi, "cli", dry_run=dry_run)
        except KajabiUnavailable as error:
            raise CommandFailed(f"Kajabi: {error}") from error

    result = _run(work)
    if result.outcome is None:
        typer.echo(f"Another process is pulling already (run {result.job_id}).")
        return
    outcome = result.outcome
    if as_json:
        _print_json({**outcome, "dryRun": dry_run})
        return
    counts = ", ".join(f"{number} {status}" for status, number in sorted(outcome["statuses"].items()))
    typer.echo(f"{outcome['contacts']} completions listed, {outcome['missing']} had no event"
               f"{': ' + counts if counts else ''}; {outcome['pointsAwarded']} points")  # fmt: skip
    if outcome["unknownTags"]:
        sys.stderr.write(f"elevate: Kajabi knows no tag named {', '.join(outcome['unknownTags'])}\n")


def _run(work: Callable[[Settings, Database], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        settings = load_settings()
        async with _database(settings) as database:
            return await work(settings, database)

    return asyncio.run(run())


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    """A small pool, as an import is many transactions; as the service goes, save in an embedded server never served."""
    with command_address(settings, direct=settings.database.url is None) as address:
        database = Database(address, pool_size=CONNECTIONS)
        try:
            yield database
        finally:
            await database.dispose()


async def _status_of(database: Database, event_id: UUID) -> Status:
    async with database.session() as session:
        return (await service.load(session, event_id)).status


async def _all(database: Database, status: Status) -> list[UUID]:
    """Every event that has the status now; those that get it while the replay runs are not gone through again."""
    found: list[UUID] = []
    after: queries.Key | None = None
    while True:
        async with database.session() as session:
            keys = await queries.oldest(session, status, after, replay.LISTED)
        if not keys:
            return found
        found += [event_id for _, event_id in keys]
        after = keys[-1]


class _progress:  # noqa: N801  (read as a function)
    """A bar on standard error for long runs on a terminal."""

    def __init__(self, total: int, doing: str) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task(doing, total=total)

    def __enter__(self) -> Callable[[int], None]:
        self._bar.start()
        return lambda steps: self._bar.advance(self._task, steps)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _console() -> Console:
    return Console(markup=False, highlight=False, emoji=False, width=None if sys.stdout.isatty() else 240)
