"""`elevate alerts`: what is wrong, who is told, and for how long not."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, TypeVar

import typer

from elevate_api.alert_sources import alert_sources
from elevate_api.alerts import channels, rules, service
from elevate_api.alerts.courier import Courier
from elevate_api.alerts.evaluate import Kind, Notice, State, Status
from elevate_api.alerts.messages import message_of
from elevate_api.alerts.monitor import AlertMonitor, Round
from elevate_api.alerts.repository import AlertRepository, SilenceRepository
from elevate_api.alerts.rules import Name
from elevate_api.alerts.schemas import AlertOut, NewSilence, SilenceOut
from elevate_api.cli.errors import FAILED, CommandFailed
from elevate_api.cli.output import AsJson, print_json, print_rows
from elevate_api.cli.runtime import command_database, load_settings
from elevate_api.config import Settings
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database
from elevate_api.ops.migrations import pending_count

T = TypeVar("T")
ALL = 1000
COLUMNS = ("rule", "severity", "status", "opened_at", "count", "summary")

app = typer.Typer(name="alerts", help="Alert rules, notices and silences.", no_args_is_help=True)

Rule = Annotated[Name, typer.Argument(metavar="RULE", help="As `elevate alerts list` names it.")]


def _run(work: Callable[[Settings, Database], Awaitable[T]]) -> T:
    """As the service's role where there is one; the embedded database is its owner's."""
    settings = load_settings()

    async def run() -> T:
        async with command_database(settings, direct=settings.database.url is None) as database:
            return await work(settings, database)

    return asyncio.run(run())


@app.command("list")
def list_alerts(
    state: Annotated[Status | None, typer.Option(case_sensitive=False, help="Only those in this state.")] = None,
    silences: Annotated[bool, typer.Option("--silences", help="The silences instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Every rule and its state, or the silences that run or are to come."""

    async def work(_settings: Settings, database: Database) -> list[AlertOut] | list[SilenceOut]:
        async with database.session() as session:
            if silences:
                found = await SilenceRepository(session).page(utcnow(), None, ALL)
                return [SilenceOut.model_validate(silence) for silence in found]
            return [AlertOut.model_validate(row) for row in await AlertRepository(session).page(state, None, ALL)]

    shown = _run(work)
    if as_json:
        print_json(shown)
        return
    columns = ("id", "rule", "starts_at", "ends_at", "reason", "created_by") if silences else COLUMNS
    print_rows([row.model_dump(by_alias=False) for row in shown], columns)


@app.command()
def evaluate() -> None:
    """Evaluate every rule now and deliver what is due, as the scheduler does. Exit code 1 while something is open."""

    async def work(settings: Settings, database: Database) -> Round:
        monitor = AlertMonitor(settings, database, pending_count, alert_sources(settings))
        try:
            done = await monitor.round(force=True)
            await monitor.settled()
        finally:
            await monitor.close()
        return done

    done = _run(work)
    rows = [
        {"rule": rule.name, "severity": rule.severity, "status": state.status, "summary": state.summary,
         "opened_at": state.opened_at, "count": state.count}
        for rule, state in done.states.items()
    ]  # fmt: skip
    print_rows(rows, COLUMNS)
    if any(state.status in {Status.FIRING, Status.ACKNOWLEDGED} for state in done.states.values()):
        raise typer.Exit(FAILED)


@app.command()
def test() -> None:
    """Send a test notice through every channel that is set up. Exit code 1 when one fails."""

    async def work(settings: Settings, database: Database) -> dict[str, str | None]:
        courier = Courier(database.address, channels.build(settings.notices))
        now, rule = utcnow(), rules.DEFAULTS[0]
        state = State(status=Status.FIRING, opened_at=now, summary="a test: nothing is wrong")
        message = message_of(Notice(rule, Kind.FIRING, state, now), settings.app.environment.value)
        message |= {"rule": "test", "title": "Test of the notices", "severity": "warning"}
        return {name: await courier.send(name, message) for name in courier.channels}

    outcomes = _run(work)
    print_rows(
        [{"channel": name, "outcome": error or "delivered"} for name, error in outcomes.items()],
        ("channel", "outcome"),
        none="No channel is set up; notices go to the log.",
    )
    if any(outcomes.values()):
        raise typer.Exit(FAILED)


@app.command()
def ack(rule: Rule) -> None:
    """Say that somebody is on it: no more reminders until it is over."""

    async def work(_settings: Settings, database: Database) -> None:
        async with database.session() as session:
            alert = await AlertRepository(session).lock_rule(rule)
            await service.acknowledge(session, alert, None, utcnow())

    _run(work)
    typer.echo(f"{rule} is acknowledged.")


@app.command()
def silence(
    rule: Annotated[Name | None, typer.Argument(metavar="[RULE]", help="None: every rule, for maintenance.")] = None,
    minutes: Annotated[int, typer.Option("--for", min=1, max=60 * 24 * 30, help="Minutes.")] = 60,
    reason: Annotated[str, typer.Option(help="Why; kept with the silence.")] = "maintenance",
    end: Annotated[bool, typer.Option("--end", help="End the running silences of the rule, or of every rule.")] = False,
) -> None:
    """Hold notices back for a while. Rules are evaluated all the same."""

    async def work(_settings: Settings, database: Database) -> str:
        async with database.session() as session:
            now = utcnow()
            if not end:
                new = NewSilence(rule=rule, ends_at=now + timedelta(minutes=minutes), reason=reason)
                added = await service.silence(session, new, None, now)
                return f"{rule or 'every rule'} is silent until {added.ends_at:%Y-%m-%d %H:%M} UTC."
            running = [one for one in await SilenceRepository(session).page(now, None, ALL) if one.rule == rule]
            for one in running:
                await service.end_silence(session, one.id, None, now)
            if not running:
                raise CommandFailed("there is no such silence")
            return f"{len(running)} ended."

    typer.echo(_run(work))
