"""docs/operations.md against the operations manual and against the commands themselves."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from tests.support.manual import PATH as MANUAL
from typer.core import TyperGroup
from typer.testing import CliRunner

from elevate_api.cli.commands import app

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
NONE = "-"


@dataclass(frozen=True)
class Row:
    heading: str
    command: str
    help: str
    prints: str
    wrong: str


def rows() -> list[Row]:
    table = PAGE.read_text(encoding="utf-8").split("## The manual, procedure by procedure")[1]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines() if line[:2] == "| "]
    return [Row(*(cell.strip(" |") for cell in line)) for line in cells[1:]]


def headings() -> Iterator[tuple[str, bool]]:
    """Each heading of the manual and whether a code block stands under it."""
    parts = re.split(r"^ *```.*?^ *```", MANUAL.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found: list[list[object]] = []
    for number, part in enumerate(parts):
        if number:
            found[-1][1] = True
        found += [[match[1], False] for match in re.finditer(r"^#{1,6} (.+)$", part, re.MULTILINE)]
    return ((str(name), bool(code)) for name, code in found)


@pytest.mark.skipif(not MANUAL.is_file(), reason=f"the manual is not there: {MANUAL}")
def test_every_heading_and_code_block_of_the_manual_has_a_row() -> None:
    known = dict(headings())
    page = {row.heading for row in rows()}
    assert known.keys() - page == set()
    assert page - known.keys() == set()
    with_command = {row.heading for row in rows() if row.command != NONE}
    # The first is a drawing of the schema, and its own check stands beside it.
    assert {name for name, code in known.items() if code} - with_command == set()


def commands() -> list[Row]:
    return list({row.command: row for row in rows() if row.command != NONE}.values())


def path_of(command: str) -> list[str]:
    """The words that name the command, without its arguments. AssertionError for one that does not exist."""
    here: object = typer.main.get_command(app)
    path: list[str] = []
    for word in [word for word in command.strip("`").split()[1:] if not word.startswith("-")]:
        if not isinstance(here, TyperGroup):
            break  # `elevate check NAME` takes arguments after its own name
        assert word in here.commands, command
        here, path = here.commands[word], [*path, word]
    return path


def shown(command: str) -> str:
    """What `--help` prints, as one line."""
    result = CliRunner().invoke(app, [*path_of(command), "--help"], env={"COLUMNS": "400", "TERMINAL_WIDTH": "400"})
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.mark.parametrize("row", commands(), ids=lambda row: row.command.strip("`").replace(" ", "-"))
def test_a_command_exists_and_its_help_says_what_the_row_says(row: Row) -> None:
    said = shown(row.command)
    assert row.help.replace("`", "") in said.replace("`", ""), said
    assert row.prints
    assert row.wrong
    for option in re.findall(r"(?<!\w)--[a-z-]+", f"{row.command} {row.prints}"):
        assert option in said, option


def test_every_command_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(elevate [a-z][a-z -]*[a-z])", PAGE.read_text(encoding="utf-8")))
    assert len(named) > 40
    for command in named:
        assert path_of(command)
