"""`elevate deploy`: the manual's deploy scripts. Each step is printed; a failure stops and says the way back."""

import sys
from typing import Annotated

import typer

from elevate_api.backups.service import open_store
from elevate_api.cli.output import Yes, ask
from elevate_api.cli.runtime import command_address, load_settings
from elevate_api.deploy import procedures
from elevate_api.deploy.remote import Service
from elevate_api.deploy.steps import perform

app = typer.Typer(name="deploy", help="Checks and steps around a deploy.", no_args_is_help=True)

WAIT_SECONDS = 60.0
StagingUrl = Annotated[
    str | None, typer.Option("--staging", envvar="STAGING_URL", help="Where staging runs; its health is asked.")
]
ProductionUrl = Annotated[
    str | None, typer.Option("--url", envvar="PRODUCTION_URL", help="Where production runs, asked afterwards.")
]
Wait = Annotated[float, typer.Option(min=0, help="Seconds to wait for the service to become healthy.")]


@app.command()
def pre(staging: StagingUrl = None) -> None:
    """Before: settings, connection, migrations, schema, integrity, staging's health. Changes nothing."""
    settings = load_settings()
    _say(f"settings: complete, ENVIRONMENT is {settings.app.environment}")
    with command_address(settings) as address:
        perform(procedures.pre(address, _service(staging)), _say)
    _say("Pre-deployment checks passed.")


@app.command()
def post(url: ProductionUrl = None, wait: Wait = WAIT_SECONDS) -> None:
    """After: migrate, refresh the views, check health, warm the public reads."""
    with command_address(load_settings()) as address:
        perform(procedures.post(address, _service(url, wait)), _say)
    _say("Post-deployment tasks completed.")


@app.command()
def promote(staging: StagingUrl = None, url: ProductionUrl = None, wait: Wait = WAIT_SECONDS, yes: Yes = False) -> None:
    """Staging to production: back up, try the migration on a copy, migrate, refresh, verify."""
    settings = load_settings()
    with command_address(settings) as address:
        ask(settings, yes, f"Migrate {address.url.database}, after a backup?")
        steps = procedures.promote(address, open_store(settings), _service(staging), _service(url, wait))
        perform(steps, _say)
    _say("Promoted.")


@app.command()
def verify(
    url: Annotated[str, typer.Argument(envvar="PRODUCTION_URL", help="Where the service runs.")],
    wait: Wait = WAIT_SECONDS,
) -> None:
    """A running service from outside: alive, ready, healthy at this migration, public reads, guards, errors."""
    perform(procedures.verify(_service(url, wait)), _say)
    _say("Verified.")


def _service(url: str | None, wait: float = 0) -> Service | None:
    return Service(url, wait) if url else None


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()
