"""Renders the page, once a process."""

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

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
    environment.filters["prose"] = prose
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


def prose(text: str) -> Markup:
    """Markdown as far as our descriptions use it: paragraphs and `code`."""
    paragraphs = [" ".join(part.split()) for part in text.strip().split("\n\n")]
    marked = (_CODE.sub(r"<code>\1</code>", str(escape(one))) for one in paragraphs if one)
    return Markup("".join(f"<p>{one}</p>" for one in marked))  # noqa: S704  (escaped above)
