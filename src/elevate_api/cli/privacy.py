"""`elevate privacy`: what a person may ask for, done by an operator."""

import asyncio
import sys
from typing import Annotated

import typer

from elevate_api.audit.service import record
from elevate_api.cli.errors import CommandFailed
from elevate_api.cli.export import Output, destination
from elevate_api.cli.export import app as export_app
from elevate_api.cli.output import AsJson, Yes, ask, print_json, print_rows, progress
from elevate_api.cli.runtime import command_address, load_settings, opened
from elevate_api.cli.users import find_person
from elevate_api.exports.snapshot import snapshot
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Address
from elevate_api.privacy.export import personal_data
from elevate_api.retention import clock
from elevate_api.transfer.exporting import Write
from elevate_api.users import erasure

app = typer.Typer(name="privacy", help="A person's data: hand it over, erase it, who waits.", no_args_is_help=True)

Who = Annotated[str, typer.Argument(metavar="USER", help="E-mail or id.")]


@app.command()
def export(who: Who, output: Output = None) -> None:
    """Everything that is held about a person, as JSON: what /api/me/export gives. The audit log keeps it."""
    with command_address(load_settings()) as address, destination(output) as write, progress("exporting"):
        asyncio.run(_export(address, who, write))


export_app.command("user")(export)


@app.command()
def erase(who: Who, yes: Yes = False) -> None:
    """Erase a person for good: what identifies them goes, points and counts stay. There is no way back."""
    settings = load_settings()
    with command_address(settings) as address:
        user_id, handle = asyncio.run(_find(address, who))
        ask(settings, yes, f"Erase {user_id} ({handle}) for good?")
        asyncio.run(_erase(address, user_id))
    sys.stdout.write(f"{user_id} is erased. Files go within minutes; backups know them until they are pruned.\n")


@app.command()
def due(as_json: AsJson = False) -> None:
    """Who waits for their erasure, and what is left of the law's 72 hours. Exit code 1 when they are over."""
    with command_address(load_settings()) as address:
        people = asyncio.run(_due(address))
    rows = [
        {"user": one.user_id, "due": one.erase_at, "hoursLeft": round(one.left_seconds / 3600, 1)} for one in people
    ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("user", "due", "hoursLeft"), none="nobody waits")
    if any(one.left_seconds < 0 for one in people):
        raise CommandFailed("72 hours are over for somebody: elevate privacy erase USER")


async def _export(address: Address, who: str, write: Write) -> None:
    async def awaited(data: bytes) -> None:
        await asyncio.to_thread(write, data)

    async with opened(address) as database:
        async with database.session() as session:
            user = await find_person(session, who)
            record(session, actor_id=None, action="user.export", target_type="user", target_id=user.id)
        async with snapshot(database) as connection:
            await personal_data(user.id, utcnow())(connection, awaited)


async def _find(address: Address, who: str) -> tuple[str, str]:
    async with opened(address) as database, database.session() as session:
        user = await find_person(session, who)
    if user.erased_at is not None:
        raise CommandFailed(f"{user.id} was erased already")
    return user.id, user.handle


async def _erase(address: Address, user_id: str) -> None:
    async with opened(address) as database, database.session() as session:
        await erasure.erase(session, user_id, actor_id=None)


async def _due(address: Address) -> list[clock.Waiting]:
    async with opened(address) as database, database.session() as session:
        return await clock.waiting(session)
