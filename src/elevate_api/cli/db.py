"""`elevate db`: schema, reference data, the service's role."""

import asyncio
import sys
from typing import Annotated

import typer
from rich.console import Console

from elevate_api.cli.errors import CommandFailed
from elevate_api.cli.runtime import command_address, command_database, development_only, load_settings, opened
from elevate_api.config import Settings
from elevate_api.kit.db import Address
from elevate_api.ops import migrations
from elevate_api.ops.roles import SERVICE_ROLE, ensure_service_role
from elevate_api.seeds import demo as demo_seed
from elevate_api.seeds import reference

app = typer.Typer(name="db", help="Schema, reference data, and the service's role.", no_args_is_help=True)
console = Console(soft_wrap=True, highlight=False)

NOT_AT_HEAD = 3
"""Exit code of `status` when migrations are pending: neither a failure nor misuse."""

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
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
        migrations.upgrade(address)
    except Exception as error:
        asyncio.run(migrations.record_run(address, ok=False, error=type(error).__name__))
        raise
    asyncio.run(migrations.record_run(address, ok=True))


@app.command()
def status() -> None:
    """Show where the database stands. Exit code 0 at the head or ahead of it, 3 when migrations are pending."""
    with command_address(load_settings()) as address:
        state = asyncio.run(_state(address))
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
    """Take migrations back, with the data that only they have room for."""
    with command_address(load_settings()) as address:
        state = asyncio.run(_state(address))
        if state.current is None:
            raise CommandFailed("nothing was migrated yet")
        _ask(yes, f"Take {address.url.database} back from {state.current} to {to}? Data may be lost.")
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
        _ask(yes, f"Drop every row of {address.url.database} and start again?")
        migrations.downgrade(address, "base")
        migrations.upgrade(address)
        asyncio.run(_seed(address, settings, demo=demo))


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
        return await ensure_service_role(session, password)


async def _make_service_role(address: Address) -> None:
    async with opened(address) as database, database.session() as session:
        await ensure_service_role(session)


async def _state(address: Address) -> migrations.MigrationState:
    async with opened(address) as database, database.session() as session:
        return migrations.state_of(await migrations.read_current(session))


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


def _ask(yes: bool, question: str) -> None:
    if not yes:
        typer.confirm(question, abort=True)


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
