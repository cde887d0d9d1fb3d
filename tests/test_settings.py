"""`.env.example` is the settings, no more and no less."""

import re
from pathlib import Path

import pytest

from elevate_api.config import Settings, setting_names

EXAMPLE = Path(__file__).parents[1] / ".env.example"
ASSIGNMENT = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")


def assignments() -> list[tuple[str, str]]:
    found = [ASSIGNMENT.fullmatch(line) for line in lines() if line and not line.startswith("#")]
    return [(match[1], match[2]) for match in found if match is not None]


def lines() -> list[str]:
    return EXAMPLE.read_text(encoding="utf-8").splitlines()


def test_every_line_is_a_comment_or_a_setting() -> None:
    assert [line for line in lines() if line and not line.startswith("#") and not ASSIGNMENT.fullmatch(line)] == []


def test_the_example_lists_every_setting_once_and_no_other() -> None:
    assert [name for name, _ in assignments()] == [names[0] for names in setting_names()]


def test_copied_as_it_is_it_changes_nothing() -> None:
    assert Settings.load(EXAMPLE) == Settings.load(None)


@pytest.mark.parametrize("names", [names for names in setting_names() if len(names) > 1])
def test_the_manuals_name_is_mentioned_beside_ours(names: tuple[str, ...]) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    for alias in names[1:]:
        assert re.search(rf"# .*\b{alias}\b[^\n]*\n(?:#[^\n]*\n)*{names[0]}=", text), alias


def test_groups_are_set_apart_and_settings_explained() -> None:
    """A setting follows a comment, or another setting of the same thought."""
    bare = [
        line for before, line in zip(lines(), lines()[1:], strict=False) if ASSIGNMENT.fullmatch(line) and not before
    ]
    assert bare == []
