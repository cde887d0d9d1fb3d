"""Every command, a line each."""

from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from elevate_api.cli import (
    alerts,
    analytics,
    backup,
    db,
    deploy,
    emergency,
    export,
    import_,
    kajabi,
    ops,
    points,
    privacy,
    review,
)
from elevate_api.cli.check import check
from elevate_api.cli.dev import dev
from elevate_api.cli.errors import ElevateGroup
from elevate_api.cli.openapi import openapi
from elevate_api.cli.output import log_to_stderr
from elevate_api.cli.retention import retention
from elevate_api.cli.serve import serve
from elevate_api.cli.token import token
from elevate_api.cli.users import users_app

app = typer.Typer(
    name="elevate",
    cls=ElevateGroup,
    help="Backend of the LEAPS Tracker. Settings come from the environment and .env (see .env.example).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print the values of local variables, secrets among them
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"elevate {installed_version('elevate-api')}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[  # noqa: ARG001  (its callback prints it)
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Backend of the LEAPS Tracker. Settings come from the environment and .env (see .env.example)."""
    log_to_stderr()


app.command()(dev)
app.command()(serve)
app.add_typer(db.app)
app.add_typer(analytics.app)
app.add_typer(alerts.app)
app.add_typer(users_app)
app.add_typer(kajabi.app)
app.add_typer(review.app)
app.add_typer(points.app)
app.add_typer(ops.app)
app.add_typer(emergency.app)
app.command()(check)
app.add_typer(backup.app)
app.add_typer(deploy.app)
app.add_typer(export.app)
app.add_typer(import_.app)
app.add_typer(privacy.app)
app.command()(retention)
app.command()(token)
app.command()(openapi)
