"""The language of an answer: which one the caller wants, and the words in it.

English is what the code says, so it needs no catalogue. A text with something to fill in is a `Phrase`, which
remembers its template; the catalogue of another language translates templates, codes and pydantic's kinds of errors.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elevate_api.kit.context import current_accept_language

ENGLISH = "en"
MAX_HEADER = 512
"""Characters of Accept-Language that are read: browsers send less than a hundred. The rest is as if never sent."""

_MAX_RANGES = 32
_MAX_VALUE = 200  # characters of one value that is filled in
_OLD_NAMES = {"in": "id"}
"""Codes that ISO 639 withdrew (1989) and old Java and Android devices still send."""

_RANGE = re.compile(
    r"(\*|[a-z]{1,8}(?:-[a-z0-9]{1,8}){0,8})(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One language: `titles` and `details` by code, `texts` by their English template, `input` by pydantic's type."""

    titles: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    input: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Catalogue":
        """Read the JSON file of a language; its members are the fields of this class."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def text(self, english: str) -> str:
        """Translate `english`; what the catalogue does not know stays as it is."""
        key, values = (english.key, english.values) if isinstance(english, Phrase) else (english, {})
        template = self.input.get(key.removeprefix(_INPUT)) if key.startswith(_INPUT) else self.texts.get(key)
        if template is None:
            return str(english)
        try:
            return template.format_map({name: self._value(value) for name, value in values.items()})
        except (LookupError, ValueError):  # a value that pydantic has stopped to give: better English than nothing
            return str(english)

    def _value(self, value: Any) -> Any:
        """What is filled in may be a text of its own, such as the name of a feature."""
        return self.texts.get(value, value) if isinstance(value, str) else value


class Phrase(str):
    """An English text that knows how it was made, so that it can be said in another language."""

    __slots__ = ("key", "values")
    key: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, english: str, key: str, values: Mapping[str, Any]) -> "Phrase":
        made = cls(english)
        made.key, made.values = key, values
        return made


def phrase(template: str, **values: object) -> Phrase:
    """Fill the {placeholders} of `template`, which the catalogues know; each value is cut at 200 characters."""
    short = {name: value if isinstance(value, int) else str(value)[:_MAX_VALUE] for name, value in values.items()}
    return Phrase.of(template.format(**short), template, short)


_INPUT = "input:"


def input_phrase(english: str, kind: str, values: Mapping[str, Any]) -> Phrase:
    """Make what pydantic says of an input translatable by the type of its error."""
    short = {
        name: value if isinstance(value, int | float) else str(value)[:_MAX_VALUE] for name, value in values.items()
    }
    return Phrase.of(english, _INPUT + kind, short)


_catalogues: dict[str, Catalogue] = {}


def offer(language: str, catalogue: Catalogue) -> None:
    """Answer in `language` (an ISO 639-1 code) too, from now on and in the whole process."""
    _catalogues[language] = catalogue


def catalogue_of(language: str) -> Catalogue:
    """The words of `language`; an empty catalogue, which leaves everything in English, when there are none."""
    return _catalogues.get(language, _EMPTY)


_EMPTY = Catalogue()


def current_language() -> str:
    """The language that the running request asks for; English outside a request."""
    header = current_accept_language()
    return negotiate(header, _catalogues) if header and _catalogues else ENGLISH


def negotiate(header: str, offered: Collection[str]) -> str:
    """Choose by Accept-Language (RFC 9110 section 12.5.4): the best q, then the order of the header, then English.

    A range stands for its language whatever follows it (`id-ID` is `id`); one that is malformed says nothing.
    """
    qualities: dict[str, float] = {}
    for name, quality in _ranges(header):
        language = _OLD_NAMES.get(name, name)
        if language in {"*", ENGLISH} or language in offered:
            qualities[language] = max(quality, qualities.get(language, 0.0))
    others = qualities.pop("*", 0.0)
    for language in (ENGLISH, *sorted(offered)):
        qualities.setdefault(language, others)
    best = max(qualities, key=lambda language: qualities[language])  # the first of equals
    return best if qualities[best] > 0 else ENGLISH


def _ranges(header: str) -> Iterator[tuple[str, float]]:
    """Primary language and quality of each range, in their order."""
    if len(header) > MAX_HEADER:
        header = header[:MAX_HEADER].rpartition(",")[0]
    for part in header.split(",", _MAX_RANGES)[:_MAX_RANGES]:
        match = _RANGE.fullmatch(part.strip(" \t"))
        if match is not None:
            yield match[1].lower().partition("-")[0], float(match[2] or 1)
