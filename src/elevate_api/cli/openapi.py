"""`elevate openapi`: the contract, for client generators; no database is needed."""

import json
from pathlib import Path
from typing import Annotated

import typer

from elevate_api.config import Settings
from elevate_api.kit.db import Address, Database

NOWHERE = "postgresql://nobody@localhost/nothing"
"""Stands where a service needs an address; nothing is ever connected."""


def openapi(
    output: Annotated[Path | None, typer.Option(help="Write to this file instead of standard output.")] = None,
) -> None:
    """Print the OpenAPI document of this version."""
    document = json.dumps(_document(), indent=2, ensure_ascii=False) + "\n"
    if output is None:
        typer.echo(document, nl=False)
    else:
        output.write_text(document, encoding="utf-8")


def _document() -> dict[str, object]:
    from elevate_api.app import create_app  # noqa: PLC0415 - the other commands need not wait for it

    app = create_app(Settings.load(), Database(Address.parse(NOWHERE)))
    return app.openapi()
