"""`elevate dev`: the whole service on this machine, from nothing, with one command."""

import asyncio
import logging as stdlib_logging
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from pydantic import SecretStr
from rich.console import Console

from elevate_api.addresses import direct_address
from elevate_api.analytics import service as analytics
from elevate_api.cli import walkthrough
from elevate_api.cli.errors import CommandFailed
from elevate_api.cli.guardian import Guardian
from elevate_api.cli.listening import Server, every_ear, listener, options, terminable, undisturbed, url_of
from elevate_api.cli.runtime import (
    EMBEDDED_DATABASE,
    development_only,
    embedded_server,
    load_settings,
    opened,
    with_database_url,
)
from elevate_api.config import Settings, SettingsError
from elevate_api.kit import logging
from elevate_api.kit.db import Address
from elevate_api.ops import migrations
from elevate_api.ops.roles import SERVICE_ROLE, ensure_service_role
from elevate_api.seeds import demo as demo_seed
from elevate_api.seeds import reference

console = Console(soft_wrap=True, highlight=False)


@dataclass(frozen=True, slots=True)
class Ground:
    """A database to work on: `owner` migrates and seeds, `settings` name it for the service.

    On the embedded server, `ours`, the service runs with least rights; on another one as DATABASE_URL says.
    """

    owner: Address
    settings: Settings
    ours: bool
    description: str
    watch: Callable[[], str | None] | None = None
    """Asked every second while the service runs; a sentence says why it cannot go on."""


def dev(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    data_dir: Annotated[Path | None, typer.Option(help="Where the data is kept; default: ELEVATE_DATA_DIR.")] = None,
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="Fill an empty database with a demo.")] = True,
) -> None:
    """Run everything here: PostgreSQL, migrations, demo data, the service. Ctrl-C stops all of it.

    With DATABASE_URL set, that database is used and no PostgreSQL is started.
    """
    development_only("elevate dev")
    settings = _with_cron_secret(load_settings(data_dir))
    _configure_logging(settings)
    try:
        with terminable(), listener(host, port) as taken, _ground(settings) as ground, undisturbed():
            _run(ground, demo=demo, taken=taken, url=url_of(host, taken))
    except KeyboardInterrupt:
        console.print("Stopped.")


def _configure_logging(settings: Settings) -> None:
    logging.configure(settings.app.log_level, json=False)
    stdlib_logging.getLogger("alembic").setLevel(stdlib_logging.WARNING)  # the line about the schema says it


def _with_cron_secret(settings: Settings) -> Settings:
    """The same settings with a cron secret, made up where there is none."""
    if settings.machines.cron_secret is not None:
        return settings
    machines = settings.machines.model_copy(update={"cron_secret": SecretStr(secrets.token_urlsafe(24))})
    return settings.model_copy(update={"machines": machines})


@contextmanager
def _ground(settings: Settings) -> Iterator[Ground]:
    if settings.database.url is not None:
        owner = direct_address(settings)
        yield Ground(
            owner,
            settings,
            ours=False,
            description=f"{owner.url.database} on {owner.url.host or 'a socket'} (DATABASE_URL)",
        )
        return
    console.print("Starting PostgreSQL ...")
    with embedded_server(settings) as server:
        owner = Address.parse(server.dsn(EMBEDDED_DATABASE))
        dsn, owner_dsn = server.dsn(EMBEDDED_DATABASE, SERVICE_ROLE), server.dsn(EMBEDDED_DATABASE)
        service = with_database_url(settings, dsn, owner_dsn)
        where = "" if server.owned else ", started by another process and ending with it"
        what = f"PostgreSQL {server.binaries.version}, data in {server.data_dir}{where}"
        yield Ground(owner, service, ours=True, description=what, watch=Guardian(server).look)


def _run(ground: Ground, *, demo: bool, taken: socket.socket, url: str) -> None:
    console.print(f"Database:     {ground.description}")
    cast = _prepare(ground, demo=demo)
    console.print(f"Service:      {url}\nDocs page:    {url}/docs\nHealth:       {url}/health/database\n")
    _print_walkthrough(ground.settings, cast, url)
    _serve(ground, taken, url)


def _prepare(ground: Ground, *, demo: bool) -> walkthrough.Cast:
    """Bring an empty or older database to where the service and the walkthrough need it."""
    if ground.ours:
        asyncio.run(_make_service_role(ground.owner))
    migrations.upgrade(ground.owner)
    console.print(f"Schema:       {migrations.head()}")
    return asyncio.run(_fill(ground, demo=demo))


async def _make_service_role(owner: Address) -> None:
    async with opened(owner) as database, database.session() as session:
        await ensure_service_role(session)


async def _fill(ground: Ground, *, demo: bool) -> walkthrough.Cast:
    async with opened(ground.owner) as database:
        async with database.session() as session:
            await reference.seed(session, ground.settings)
        async with database.session() as session:
            written = demo and await demo_seed.seed(session, ground.settings.app.zone)
        console.print(f"Demo:         {_demo_note(written=written, wanted=demo)}")
        await analytics.refresh(database, "elevate dev")
        async with database.session() as session:
            return await walkthrough.choose_cast(session)


def _demo_note(*, written: bool, wanted: bool) -> str:
    if written:
        return "written: 3 cohorts, 12 schools, 200 educators, 60 days"
    return "the data that is there is kept" if wanted else "none, as asked"


def _print_walkthrough(settings: Settings, cast: walkthrough.Cast, url: str) -> None:
    today = datetime.now(settings.app.zone).date()
    try:
        doors = list(walkthrough.links(cast, settings, url)) if settings.console.enabled else []
        script = list(walkthrough.lines(cast, settings, url, today))
    except SettingsError as error:
        console.print(f"No tokens to try it with: {error}", markup=False)
        return
    if doors:
        console.print("Console, to look at (the links sign in, for 8 hours):\n")
    for line in doors:
        console.print(f"{line}\n", markup=False)
    console.print("From submission to leaderboard: paste these lines into another terminal (bash or zsh).\n")
    for line in script:
        console.print(line, markup=False)
    console.print(
        f"\nThe tokens last 8 hours. Others, for anybody: {walkthrough.token_command(settings)}\n", markup=False
    )


def _serve(ground: Ground, taken: socket.socket, url: str) -> None:
    from elevate_api.app import create_app  # noqa: PLC0415 - the other commands need not wait for it

    config = uvicorn.Config(create_app(ground.settings), **options(lifespan="on"))
    server = Server(config, lambda: console.print(f"Ready on {url}. Press Ctrl-C to stop everything.\n"), ground.watch)
    try:
        server.run(sockets=every_ear(taken))
    except SystemExit as ended:  # uvicorn's way to say that the service did not start; the log says why
        raise CommandFailed("the service did not start, see above") from ended
    if not server.started:
        raise CommandFailed("the service did not start, see above")
    if server.failure is not None:
        raise CommandFailed(server.failure)
