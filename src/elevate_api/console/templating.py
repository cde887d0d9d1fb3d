"""Jinja2, set up once: escaping everywhere, and an error for a name that nobody gave."""

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from elevate_api.console.assets import assets

if TYPE_CHECKING:
    from elevate_api.console.visits import Visit

FOLDER = Path(__file__).parent / "templates"


@cache
def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["asset"] = assets().url
    made.filters["attribute"] = _attribute
    return made


def render(visit: "Visit", template: str, values: dict[str, Any]) -> str:
    """The template with `values` and what every page has: `t`, `viewer`, `visit` and the formats as functions."""
    return (
        environment()
        .get_template(template)
        .render(t=visit.words, viewer=visit.viewer, visit=visit, **visit.formats().filters(), **values)
    )


def _attribute(value: Any) -> Markup:
    """JSON for a data attribute in double quotes."""
    return Markup.escape(json.dumps(value, ensure_ascii=False))
