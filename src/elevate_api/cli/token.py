"""`elevate token`: a session token for development, on standard output and nothing else."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from elevate_api.auth.claims import USER_ID, clean_email, clean_text
from elevate_api.auth.devkeys import DEFAULT_TTL_SECONDS, PRODUCTION, DevelopmentOnly, issue_token
from elevate_api.cli.runtime import load_settings
from elevate_api.config import AppSettings

MAX_TTL_SECONDS = 366 * 86_400


def token(
    user_id: Annotated[str, typer.Argument(metavar="USER_ID", help="Who the token is for; nobody is created.")],
    email: Annotated[str | None, typer.Option(help="A verified address to carry.")] = None,
    name: Annotated[str | None, typer.Option(help="A name to carry.")] = None,
    ttl: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, max=MAX_TTL_SECONDS, help="How long it is good.")
    ] = DEFAULT_TTL_SECONDS,
    data_dir: Annotated[Path | None, typer.Option(help="Where the signing key is kept.")] = None,
) -> None:
    """Print a token of your own for development. Refuses in production, and where Clerk issues the tokens."""
    _refuse_production()
    if not USER_ID.fullmatch(user_id):
        raise typer.BadParameter("1 to 255 letters, digits and _.:|@+~-", param_hint="USER_ID")
    if email is not None and clean_email(email) is None:
        raise typer.BadParameter("not an e-mail address", param_hint="--email")
    claims = {"sub": user_id, "email": clean_email(email), "name": clean_text(name)}
    given = {key: value for key, value in claims.items() if value is not None}
    typer.echo(issue_token(load_settings(data_dir), given, ttl))


def _refuse_production() -> None:
    """First of all: a production with other faults must not answer with those. A bad ENVIRONMENT is named later."""
    with suppress(ValidationError):
        if AppSettings(_env_file=Path(".env")).production:
            raise DevelopmentOnly(PRODUCTION)
