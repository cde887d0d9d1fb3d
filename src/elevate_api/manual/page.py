"""Renders the page, once a process."""

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from elevate_api.kit.etag import strong
from elevate_api.manual.document import Node, operations, schemas

FOLDER = Path(__file__).parent
_CODE = re.compile(r"`([^`]+)`")


@cache
def style() -> bytes:
    return (FOLDER / "static" / "manual.css").read_bytes()


def page(document: Node) -> bytes:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["paragraphs"] = paragraphs
    sections = operations(document)
    return (
        environment.get_template("manual.html")
        .render(
            info=document["info"],
            sections=sections,
            schemas=schemas(document),
            ways=document["components"].get("securitySchemes", {}),
            version=strong(style()).strip('"'),
        )
        .encode()
    )


def paragraphs(text: str) -> list[list[str]]:
    """Markdown as far as our descriptions use it; of each paragraph's parts every second one is `code`."""
    return [_CODE.split(" ".join(part.split())) for part in text.split("\n\n") if part.strip()]
