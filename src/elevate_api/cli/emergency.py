"""`elevate emergency`: what to do at 3 a.m."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from elevate_api.addresses import direct_address, service_address
from elevate_api.cli.errors import FAILED, CommandFailed
from elevate_api.cli.ops import Minutes, end_connections
from elevate_api.cli.output import AsJson, Yes, console, print_json, print_rows, progress
from elevate_api.cli.runtime import command_address, command_database, load_settings
from elevate_api.config import Settings, SettingsError
from elevate_api.features import FEATURES, states, switch
from elevate_api.ops.emergency import Step, diagnose
from elevate_api.ops.inspect.kill import IDLE, LONG_RUNNING

app = typer.Typer(name="emergency", help="What to do at 3 a.m.", no_args_is_help=True)

STEPS = ("address", "step", "verdict", "seconds", "detail")
INDEX = "idx_emergency_submissions_created"
BUILD = f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {INDEX} ON submissions (created_at) WHERE status = 'PENDING'"
DROP = f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}"


@app.command()
def connections(as_json: AsJson = False) -> None:
    """Find out step by step why the database does not answer: settings, DNS, TCP, TLS, authentication, version, pool.

    DATABASE_URL and DIRECT_URL are each looked at. Exit code 1 when a step failed; beside it stands where to look.
    """
    with progress("Diagnosing"):
        steps = _diagnosed()
    if as_json:
        print_json([asdict(step) for step in steps])
    else:
        print_rows([asdict(step) for step in steps], STEPS)
    if any(step.verdict == "failed" for step in steps):
        raise typer.Exit(FAILED)


@app.command()
def idle(minutes: Minutes = 60.0, yes: Yes = False, as_json: AsJson = False) -> None:
    """End connections that have been idle for long (the manual's 'Kill idle connections'); asks first."""
    end_connections(IDLE, {"seconds": minutes * 60}, yes, as_json)


@app.command()
def longrunning(minutes: Minutes = 10.0, yes: Yes = False, as_json: AsJson = False) -> None:
    """End statements that run too long (the manual's 'Kill Long Runners'). Spares refreshes and backups; asks first."""
    end_connections(LONG_RUNNING, {"seconds": minutes * 60}, yes, as_json)


@app.command()
def index(
    drop: Annotated[bool, typer.Option("--drop", help="Remove it again, when the crisis is over.")] = False,
) -> None:
    """Build the manual's emergency index on waiting submissions, concurrently; `elevate db check` then names it."""
    with progress("Removing" if drop else "Building"):
        valid = asyncio.run(_index(load_settings(), drop))
    if not drop and not valid:
        raise CommandFailed(f"{INDEX} is there but invalid: elevate ops reindex {INDEX}")
    console().print(f"{INDEX} {'removed' if drop else 'is there'}.")


@app.command()
def features(
    off: Annotated[list[str] | None, typer.Option(help=f"Switch off: {', '.join(FEATURES)}.")] = None,
    on: Annotated[list[str] | None, typer.Option(help="Switch on again.")] = None,
    as_json: AsJson = False,
) -> None:
    """Switch non-critical features off or on (search, exports, analytics); without options show how they stand.

    Every process follows within two seconds and answers 503 FEATURE_DISABLED for what is off.
    """
    unknown = sorted({*(off or []), *(on or [])} - set(FEATURES))
    if unknown or set(off or []) & set(on or []):
        raise typer.BadParameter(f"one of {', '.join(FEATURES)}, either on or off")
    wanted = {**dict.fromkeys(off or [], False), **dict.fromkeys(on or [], True)}
    now = asyncio.run(_switch(load_settings(), wanted))
    rows = [{"feature": name, "on": is_on, "what": FEATURES[name]} for name, is_on in now.items()]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("feature", "on", "what"))


def _diagnosed() -> list[Step]:
    try:
        settings = load_settings()
    except SettingsError as error:
        return [Step("settings", "settings", "failed", str(error))]
    if settings.database.url is None:
        with command_address(settings) as address:
            return asyncio.run(diagnose("embedded", address))
    steps = []
    for name, choose in (("DATABASE_URL", service_address), ("DIRECT_URL", direct_address)):
        try:
            address = choose(settings)
        except SettingsError as error:
            steps.append(Step(name, "settings", "failed", str(error)))
            continue
        steps.append(Step(name, "settings", "ok", "behind a pooler" if address.transaction_pooled else "direct"))
        steps += asyncio.run(diagnose(name, address))
    return steps


async def _index(settings: Settings, drop: bool) -> bool:
    async with command_database(settings) as database, database.engine.connect() as connection:
        alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await alone.exec_driver_sql(DROP if drop else BUILD)
        standing = f"SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('public.{INDEX}')"
        return bool((await alone.exec_driver_sql(standing)).scalar())


async def _switch(settings: Settings, wanted: dict[str, bool]) -> dict[str, bool]:
    async with command_database(settings) as database, database.session() as session:
        for feature, is_on in wanted.items():
            await switch(session, feature, is_on)
        return await states(session)
