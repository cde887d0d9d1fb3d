"""`elevate users`: the first administrators, and a look at who is there."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.auth.roles import Role
from elevate_api.cli.errors import CommandFailed
from elevate_api.cli.output import print_rows
from elevate_api.cli.runtime import command_database, load_settings
from elevate_api.config import Settings
from elevate_api.kit.clock import utcnow
from elevate_api.kit.problems import describe
from elevate_api.ops.affected import people
from elevate_api.users.errors import LastSuperadmin
from elevate_api.users.models import User
from elevate_api.users.repository import UserFilter, UserRepository
from elevate_api.users.schemas import AdminUserOut
from elevate_api.users.service import set_role

MAX_LISTED = 1000
TIMES = [
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
]
PIPED_WIDTH = 240
"""Columns where no terminal says how many there are, so that nothing is cut off for grep."""

users_app = typer.Typer(name="users", help="People: promote, list, show.", no_args_is_help=True)

Who = Annotated[str, typer.Argument(metavar="EMAIL_OR_ID")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, with the names of the API.")]


@users_app.command()
def promote(
    who: Who,
    role: Annotated[Role, typer.Argument(metavar="ROLE", case_sensitive=False, help=", ".join(Role))],
) -> None:
    """Give somebody a role, up or down. The audit log keeps it, without an actor."""
    user, before = asyncio.run(_promote(load_settings(), who, role))
    change = f"is {role} already" if before == role else f"{before} -> {role}"
    typer.echo(f"{user.id} ({user.handle}): {change}")


@users_app.command("list")
def list_users(
    search: Annotated[str | None, typer.Option(help="Part of name, handle or e-mail.")] = None,
    role: Annotated[Role | None, typer.Option(case_sensitive=False)] = None,
    cohort: Annotated[str | None, typer.Option()] = None,
    school: Annotated[str | None, typer.Option()] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LISTED)] = 50,
    as_json: AsJson = False,
) -> None:
    """People, the newest first."""
    wanted = UserFilter(search=search, role=role, cohort=cohort, school=school)
    users = asyncio.run(_list(load_settings(), wanted, limit))
    if as_json:
        _print_json(users)
    else:
        _print_table(users)


@users_app.command()
def show(who: Who, as_json: AsJson = False) -> None:
    """Everything about one person."""
    user = asyncio.run(_show(load_settings(), who))
    if as_json:
        _print_json(user)
        return
    table = Table("field", "value", box=None, show_header=False)
    for name, value in user.model_dump(mode="json").items():
        table.add_row(name, "" if value is None else str(value))
    _console().print(table)


@users_app.command()
def affected(
    since: Annotated[datetime, typer.Option(formats=TIMES, help="UTC unless an offset says otherwise.")],
    until: Annotated[datetime | None, typer.Option(formats=TIMES, help="Default: now.")] = None,
    as_json: AsJson = False,
) -> None:
    """People whose data a loss or a recovery between these times touched, with addresses: whom to tell."""
    window = (_in_utc(since), _in_utc(until) if until else utcnow())
    rows = asyncio.run(_affected(load_settings(), *window))
    if as_json:
        _print_json(rows)
        return
    print_rows(rows, ("user_id", "name", "email", "email_verified", "touched"), none="Nobody.")
    typer.echo(f"{len(rows)} people from {window[0]:%Y-%m-%d %H:%M:%S} to {window[1]:%Y-%m-%d %H:%M:%S} UTC.")


def _in_utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


async def _affected(settings: Settings, since: datetime, until: datetime) -> list[dict[str, Any]]:
    async with command_database(settings, direct=_as_owner(settings)) as database, database.session() as session:
        return [row async for row in people(session, since, until)]


async def _promote(settings: Settings, who: str, role: Role) -> tuple[User, str]:
    async with command_database(settings, direct=_as_owner(settings)) as database:
        try:
            async with database.session() as session:
                return await _change_role(session, who, role)
        except SQLAlchemyError as error:
            refused = describe(error)
            if refused is not None and refused.constraint == "users_last_superadmin":
                raise LastSuperadmin from error
            raise


async def _change_role(session: AsyncSession, who: str, role: Role) -> tuple[User, str]:
    """The person, and the role before."""
    found = await find_person(session, who)
    user = (await UserRepository(session).lock(found.id))[found.id]
    if user.erased_at is not None:
        raise CommandFailed(f"{user.id} has been erased")
    before = user.role
    await set_role(session, user, role, actor_id=None)
    return user, before


async def _list(settings: Settings, wanted: UserFilter, limit: int) -> list[AdminUserOut]:
    async with command_database(settings, direct=_as_owner(settings)) as database, database.session() as session:
        users = await UserRepository(session).page(wanted, None, limit)
        return [AdminUserOut.model_validate(user) for user in users]


async def _show(settings: Settings, who: str) -> AdminUserOut:
    async with command_database(settings, direct=_as_owner(settings)) as database, database.session() as session:
        return AdminUserOut.model_validate(await find_person(session, who))


async def find_person(session: AsyncSession, who: str) -> User:
    """By id, else by e-mail, verified or not. Raises CommandFailed when that is nobody or more than one."""
    repository = UserRepository(session)
    user = await repository.get(who)
    if user is not None:
        return user
    found = await repository.by_email(who.strip()) if "@" in who else []
    if not found:
        raise CommandFailed(f"there is nobody with the {'e-mail or id' if '@' in who else 'id'} {who}")
    if len(found) > 1:
        ids = ", ".join(f"{user.id} ({'verified' if user.email_verified else 'unverified'})" for user in found)
        raise CommandFailed(f"{who} is the address of several people, name one by id: {ids}")
    return found[0]


def _as_owner(settings: Settings) -> bool:
    """As the service goes; only an embedded database that was never served may have no role for it yet."""
    return settings.database.url is None


def _print_table(users: Sequence[AdminUserOut]) -> None:
    table = Table("id", "handle", "name", "e-mail", "role", "cohort", "school", "created", box=None)
    for user in users:
        email = "" if user.email is None else user.email + ("" if user.email_verified else " (unverified)")
        created = f"{user.created_at:%Y-%m-%d}"
        table.add_row(user.id, user.handle, user.name, email, user.role, user.cohort or "", user.school or "", created)
    _console().print(table)


def _print_json(value: Any) -> None:
    sys.stdout.write(TypeAdapter(Any).dump_json(value, indent=2, by_alias=True).decode() + "\n")


def _console() -> Console:
    """Names are people's own words: nothing in them is markup."""
    return Console(markup=False, highlight=False, emoji=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
