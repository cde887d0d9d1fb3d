"""FastAPI's validation errors as faults of the input, without echoing what was sent."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError

from elevate_api.kit.i18n import input_phrase, phrase
from elevate_api.kit.problems.base import FieldError, Problem
from elevate_api.kit.problems.common import MalformedJson, ValidationFailed

MAX_ERRORS = 50
MAX_LENGTH = 200
"""Longest pointer or message, in characters: names of unknown fields come from the caller, of any length."""

PROBLEM_WHEN_MISSING: dict[tuple[str, str], type[Problem]] = {}
"""Inputs, as (source, name), whose absence is a problem of its own; written by the modules that ask for them."""


def problem_of(error: RequestValidationError) -> Problem:
    """MALFORMED_JSON when the body could not be parsed, VALIDATION_FAILED with at most 50 faults otherwise."""
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return MalformedJson()
    for item in found:
        if item["type"] == "missing" and (kind := PROBLEM_WHEN_MISSING.get(tuple(item["loc"][:2]))):
            return kind()
    return ValidationFailed(errors=[_fault(item, error.body) for item in found[:MAX_ERRORS]])


def pointer(parts: Sequence[str | int]) -> str:
    """JSON pointer (RFC 6901) of `parts`; empty for the whole document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def shortened(text: str) -> str:
    clean = text.encode("utf-8", "replace").decode().replace("\0", "?")
    return clean if len(clean) <= MAX_LENGTH else clean[: MAX_LENGTH - 1] + "…"


def _fault(item: Mapping[str, Any], body: Any) -> FieldError:
    source, *rest = item["loc"] or ("body",)
    if source == "body":
        where = pointer([*_in_document(rest, body, missing=item["type"] == "missing"), *_tag_of(item)])
    else:
        where = "/".join([source, *map(str, rest[:1])])
    return FieldError(shortened(where), message_of(item))


def _in_document(location: Sequence[str | int], document: Any, *, missing: bool) -> list[str | int]:
    """Keep what is a place in the document: pydantic's location also names union members and validators."""
    path: list[str | int] = []
    for index, part in enumerate(location):
        if _has(document, part):
            document = document[part]
        elif not (missing and index == len(location) - 1):
            continue
        path.append(part)
    return path


def _tag_of(item: Mapping[str, Any]) -> list[str]:
    """The field that tells the members of a union apart, where it is the fault; its last name is the wire's."""
    if not item["type"].startswith("union_tag_"):
        return []
    return re.findall(r"'([^']+)'", item.get("ctx", {}).get("discriminator", ""))[-1:]


def _has(document: Any, part: str | int) -> bool:
    if isinstance(document, list):
        return isinstance(part, int) and 0 <= part < len(document)
    return isinstance(document, dict) and part in document


def message_of(item: Mapping[str, Any]) -> str:
    """Pydantic's words, except where they repeat the input; translatable by the type of the error."""
    kind, values = item["type"], dict(item.get("ctx", {}))
    if kind == "union_tag_not_found":
        return input_phrase("Field required", "missing", {})
    if kind == "union_tag_invalid":
        return phrase("must be one of {expected}", expected=values["expected_tags"])
    text = shortened(str(item["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, "))
    if "expected" in values:  # "'a', 'b' or 'c'": the one English word in it
        values["expected"] = str(values["expected"]).replace(" or ", ", ")
    return text if kind in {"value_error", "assertion_error"} else input_phrase(text, kind, values)
