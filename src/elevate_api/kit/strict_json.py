"""JSON as the API takes it: RFC 8259 in UTF-8, unambiguous, and storable in PostgreSQL.

Malformed (400): not UTF-8, not JSON, NaN and Infinity, a name twice in one object, nested too deep.
Invalid (422, with a pointer): U+0000 or a lone surrogate in a string or name, a number outside 64 bits.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from elevate_api.kit.i18n import phrase
from elevate_api.kit.problems import FieldError, MalformedJson, ValidationFailed
from elevate_api.kit.problems.validation import MAX_ERRORS, pointer, shortened

MAX_DEPTH = 64
"""Nesting of arrays and objects. No schema of an API needs ten; Python's own parser gives up near a thousand."""

_INT64 = range(-(2**63), 2**63)
_SAFE_DIGITS = 18  # characters, sign included, that are within 64 bits whatever they are
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def parse(raw: bytes) -> Any:
    """Read the document in `raw`. Raises MalformedJson or ValidationFailed."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise MalformedJson("The body is not UTF-8.") from None
    try:
        document, suspect = _decoded(text)
    except RecursionError:
        raise MalformedJson(_TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise MalformedJson(_place(error)) from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_too_deep(document):
        raise MalformedJson(_TOO_DEEP)
    if suspect:
        _refuse_unstorable(document)
    return document


def _place(error: json.JSONDecodeError) -> str:
    return phrase("{fault} at line {line}, column {column}.", fault=error.msg, line=error.lineno, column=error.colno)


class _LongNumber(Exception):
    pass


def _decoded(text: str) -> tuple[Any, bool]:
    """Decode, and say whether to walk the document for faults: most bodies have no escape and no long number."""
    try:
        return _fast.decode(text), "\\u" in text
    except _LongNumber:
        return _patient.decode(text), True


_TOO_DEEP = phrase("The body is nested deeper than {levels} levels.", levels=MAX_DEPTH)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedJson("An object of the body has the same name twice.")
    return found


def _no_constant(name: str) -> NoReturn:
    raise MalformedJson(phrase("{name} is no JSON.", name=name))


def _short_integer(digits: str) -> int:
    if len(digits) > _SAFE_DIGITS:
        raise _LongNumber
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise _LongNumber
    return value


def _any_integer(digits: str) -> int | float:
    """Python refuses to convert thousands of digits; what cannot fit 64 bits anyway becomes infinite."""
    return int(digits) if len(digits) <= _SAFE_DIGITS + 2 else math.inf


_fast = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_short_integer, parse_float=_finite
)
_patient = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_any_integer)


def _is_too_deep(document: Any) -> bool:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return True


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield from (value for value in node.values() if isinstance(value, dict | list))
    elif isinstance(node, list):
        yield from (value for value in node if isinstance(value, dict | list))


def _refuse_unstorable(document: Any) -> None:
    faults: list[FieldError] = []
    for path, message in _faults(document, ()):
        faults.append(FieldError(shortened(pointer(path)), message))
        if len(faults) == MAX_ERRORS:
            break
    if faults:
        raise ValidationFailed(errors=faults)


def _faults(node: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Places that PostgreSQL could not store. A fault in a name is reported at its object."""
    if isinstance(node, dict):
        for name, value in node.items():
            if _UNSTORABLE.search(name):
                yield path, "has a name with U+0000 or a lone surrogate"
            else:
                yield from _faults(value, (*path, name))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _faults(value, (*path, index))
    elif fault := _fault(node):
        yield path, fault


def _fault(value: Any) -> str | None:
    if isinstance(value, str) and _UNSTORABLE.search(value):
        return "must not contain U+0000 or a lone surrogate"
    if isinstance(value, float) and math.isinf(value):
        return "is a number out of range"
    if isinstance(value, int) and value not in _INT64:
        return "is an integer outside 64 bits"
    return None
