"""`elevate db`: schema, reference data, the service's role."""

import asyncio
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from elevate_api.addresses import limits_of
from elevate_api.cli import schema_dump
from elevate_api.cli.errors import FAILED, CommandFailed
from elevate_api.cli.output import AsJson, Yes, ask, print_json, progress
from elevate_api.cli.runtime import command_address, command_database, development_only, load_settings, opened
from elevate_api.config import Settings
from elevate_api.kit.db import Address
from elevate_api.ops import migrations, schema_check
from elevate_api.ops.roles import SERVICE_ROLE, ensure_service_role
from elevate_api.seeds import demo as demo_seed
from elevate_api.seeds import reference

app = typer.Typer(name="db", help="Schema, reference data, and the service's role.", no_args_is_help=True)
console = Console(soft_wrap=True, highlight=False)

NOT_AT_HEAD = 3
"""Exit code of `status` when migrations are pending: neither a failure nor misuse."""

WithDemo = Annotated[bool, typer.Option("--demo", help="Also fill an empty database with a demo.")]


@app.command()
def migrate() -> None:
    """Apply every pending migration. Safe to run twice, and by two deploys at once."""
    settings = load_settings()
    with command_address(settings) as address:
        before = asyncio.run(_state(address))
        if settings.database.url is None:
            asyncio.run(_make_service_role(address))
        _upgrade(address)
    applied = ", ".join(before.pending) or "nothing to apply"
    console.print(f"At {before.head}: {applied}.")


def _upgrade(address: Address) -> None:
    """A failure is kept where the alert rule migration_failure looks, and so is that it is over."""
    try:
        with progress("Migrating"):
            migrations.upgrade(address)
    except Exception as error:
        asyncio.run(migrations.record_run(address, ok=False, error=type(error).__name__))
        raise
    asyncio.run(migrations.record_run(address, ok=True))


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show where the database stands. Exit code 0 at the head or ahead of it, 3 when migrations are pending."""
    with command_address(load_settings()) as address:
        state = asyncio.run(_state(address))
    if as_json:
        print_json({**asdict(state), "up_to_date": state.up_to_date})
        raise typer.Exit(NOT_AT_HEAD if state.pending else 0)
    console.print(f"current  {state.current or 'none'}\nhead     {state.head}")
    console.print(f"pending  {', '.join(state.pending) or 'none'}")
    if state.ahead:
        console.print("The database knows a migration that this version does not: it was migrated by a newer one.")
    if state.pending:
        raise typer.Exit(NOT_AT_HEAD)


@app.command()
def rollback(
    to: Annotated[str, typer.Option(help="A revision, `base` for none, or -1 for one step.")] = "-1", yes: Yes = False
) -> None:
    """Take migrations back, with the data that only they have room for. Names what it will undo, then asks."""
    settings = load_settings()
    with command_address(settings) as address:
        state = asyncio.run(_state(address))
        if state.current is None:
            raise CommandFailed("nothing was migrated yet")
        if state.ahead:
            raise CommandFailed(f"the database is at {state.current}, which this version does not know")
        for step in migrations.undone_by(state.current, to):
            console.print(f"Undoes {step.revision}: {step.title}")
        ask(settings, yes, f"Take {address.url.database} back from {state.current} to {to}? Data may be lost.")
        migrations.downgrade(address, to)
        state = asyncio.run(_state(address))
    console.print(f"At {state.current or 'base'}.")


@app.command()
def seed(demo: WithDemo = False) -> None:
    """Add stages, badges and the first administrator (SEED_ADMIN_*) where they are missing."""
    if demo:
        development_only("the demo")
    settings = load_settings()
    with command_address(settings) as address:
        asyncio.run(_seed(address, settings, demo=demo))


@app.command()
def reset(demo: WithDemo = False, yes: Yes = False) -> None:
    """Drop everything, migrate and seed again. Development only."""
    development_only("elevate db reset")
    settings = load_settings()
    with command_address(settings) as address:
        ask(settings, yes, f"Drop every row of {address.url.database} and start again?")
        migrations.downgrade(address, "base")
        migrations.upgrade(address)
        asyncio.run(_seed(address, settings, demo=demo))


@app.command()
def check(as_json: AsJson = False) -> None:
    """Compare the live database with the models and with what the migrations make: functions, triggers, views, grants.

    Migrations are run once more into a schema of their own in a transaction that is rolled back. Exit code 1 when
    something differs, 3 when migrations are pending.
    """
    with command_address(load_settings()) as address:
        state = asyncio.run(_state(address))
        with progress("Comparing"):
            found = asyncio.run(_check(address, state))
    wrong = [f"{area}: {line}" for area, lines in found.items() for line in lines]
    if as_json:
        print_json({"current": state.current, "head": state.head, "pending": state.pending, **found})
    else:
        console.print(f"At {state.current or 'none'}, head {state.head}.")
        for line in wrong:
            console.print(line)
        console.print(f"{len(wrong)} differences." if wrong else "No difference from models and migrations.")
    if wrong or state.ahead:
        raise typer.Exit(FAILED)
    if state.pending:
        raise typer.Exit(NOT_AT_HEAD)


@app.command()
def push(as_json: AsJson = False) -> None:
    """Bring a development database up to the code (the manual's db:push): migrate, then compare. Development only.

    Models change the database by a migration only; one that still has to be written shows as a difference.
    """
    development_only("elevate db push")
    migrate()
    check(as_json)


@app.command()
def pull(
    output: Annotated[Path | None, typer.Option(help="Write to this file instead of standard output.")] = None,
) -> None:
    """Print the live schema as SQL, from pg_dump of the server's version (the manual's db:pull)."""
    with command_address(load_settings()) as address, progress("Reading the schema"):
        schema = asyncio.run(schema_dump.dump(address))
    if output is None:
        typer.echo(schema, nl=False)
    else:
        output.write_text(schema, encoding="utf-8")


@app.command("app-role")
def app_role(
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")
    ] = False,
) -> None:
    """Create the role elevate_app, which the service runs as, or give it a new password; grant it least rights."""
    settings = load_settings()
    password = _password(from_stdin=password_stdin)
    created = asyncio.run(_app_role(settings, password))
    console.print(f"{SERVICE_ROLE} {'created' if created else 'updated'}. Use it in DATABASE_URL; DIRECT_URL, for")
    console.print("migrations and backups, stays with the owner.")


async def _app_role(settings: Settings, password: str) -> bool:
    async with command_database(settings) as database, database.session() as session:
        return await ensure_service_role(session, password, limits_of(settings))


async def _make_service_role(address: Address) -> None:
    async with opened(address) as database, database.session() as session:
        await ensure_service_role(session)


async def _state(address: Address) -> migrations.MigrationState:
    async with opened(address) as database, database.session() as session:
        return migrations.state_of(await migrations.read_current(session))


async def _check(address: Address, state: migrations.MigrationState) -> dict[str, list[str]]:
    """Models are those of the head, so only a database that stands there is compared with them."""
    if state.current is None or state.ahead:
        return {}
    async with opened(address) as database, database.session() as session:
        connection = await session.connection()
        models = await schema_check.model_differences(connection) if state.up_to_date else []
        return {
            "models": models,
            "migrations": await schema_check.differences(connection),
            "access": await schema_check.open_doors(connection),
        }


async def _seed(address: Address, settings: Settings, *, demo: bool) -> None:
    async with opened(address) as database:
        async with database.session() as session:
            if await migrations.read_current(session) is None:
                raise CommandFailed("nothing was migrated yet: run `elevate db migrate` first")
            await reference.seed(session, settings)
        console.print("Reference data is complete.")
        if demo:
            async with database.session() as session:
                written = await demo_seed.seed(session, settings.app.zone)
            console.print("Demo written." if written else "There is data already: no demo was written.")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
