"""A submission's payload as rows to read, whatever is in it: what has no words of ours is shown under its own name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from elevate_api.console.formats import Formats
from elevate_api.console.words import Words

LONG = 120
"""Characters from which on a text is a paragraph of its own."""
DAYS = frozenset({"completedAt", "classDate", "sessionDate"})
TEXTS = frozenset({"reflection", "caption", "ideaSummary", "evidenceNote"})
ORDER = (
    *("reflection", "caption", "ideaTitle", "ideaSummary", "evidenceNote", "linkedinUrl", "provider", "courseName"),
    *("completedAt", "certificateUrl", "certificateHash", "sessionTitle", "peersTrained", "studentsTrained"),
    *("classDate", "sessionDate", "sessionStartTime", "durationMinutes", "location", "coFacilitators", "school"),
)
"""What is read most comes first; what nobody thought of comes last."""
_PLACE = ("venue", "city", "country")
_HOURS_AND_MINUTES = len("09:30")


@dataclass(frozen=True, slots=True)
class Row:
    """`kind`: text, long, link or number."""

    label: str
    kind: str
    value: str


def rows_of(payload: Mapping[str, Any], words: Words, formats: Formats) -> list[Row]:
    return sorted(_rows(payload, words, formats), key=lambda row: row.kind != "long")


def _rows(payload: Mapping[str, Any], words: Words, formats: Formats) -> Iterator[Row]:
    for name in sorted(payload, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER)):
        value = payload[name]
        if value in (None, "", [], {}):
            continue
        yield Row(words.known(f"field.{name}", name), *_shown(name, value, formats))


def _shown(name: str, value: Any, formats: Formats) -> tuple[str, str]:
    if isinstance(value, str) and name in DAYS:
        return "text", formats.day(value)
    if isinstance(value, str) and name == "sessionStartTime":
        return "text", value[:_HOURS_AND_MINUTES]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number", formats.number(value)
    if isinstance(value, Mapping):
        parts = [value.get(part) for part in _PLACE] if name == "location" else value.values()
        value = ", ".join(str(part) for part in parts if part)
    elif isinstance(value, list):
        value = ", ".join(map(str, value))
    text = str(value)
    if text.startswith("https://") and not any(mark.isspace() for mark in text):
        return "link", text
    return ("long" if len(text) > LONG or name in TEXTS else "text"), text
