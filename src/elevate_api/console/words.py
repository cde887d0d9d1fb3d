"""The console's texts: a JSON file per language in `texts/`, flat keys, `{name}` where something is filled in."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "texts"
LANGUAGES = ("en", "id")
"""English first: what everybody gets who asks for neither."""
_FOR_SCRIPTS = "js."


class Words:
    """Called as `t(key, name=value)`. Raises KeyError for a key that the catalogue lacks; a test keeps them equal."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self._texts = texts

    def __call__(self, key: str, **values: object) -> str:
        text = self._texts[key]
        return text.format_map(values) if values else text

    def n(self, key: str, count: int, **values: object) -> str:
        """`key.one` or `key.other` by `count`, which fills `{n}`."""
        form = "one" if count == 1 else "other"
        return self(f"{key}.{form}", n=number(count, self.language), **values)

    def known(self, key: str, otherwise: str) -> str:
        """For what comes from data: a stage or badge that an administrator has made has no words of ours."""
        return self._texts.get(key, otherwise)

    def for_scripts(self) -> dict[str, str]:
        return {key: text for key, text in self._texts.items() if key.startswith(_FOR_SCRIPTS)}


@cache
def words_of(language: str) -> Words:
    return Words(language, json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8")))


def number(value: float, language: str) -> str:
    """1234.5 -> `1,234.5`, in Indonesian `1.234,5`."""
    text = f"{value:,}"
    return text.translate(_INDONESIAN) if language == "id" else text


_INDONESIAN = str.maketrans(",.", ".,")
