"""The SQL of the operations manual, as it stands there: blocks in sql, `psql -c` in bash, $queryRaw in TypeScript."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PATH = Path(__file__).parents[3] / "shared" / "operations-manual.md"

_BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{2,6} (.+)$", re.MULTILINE)
_TOKEN = re.compile(r"--[^\n]*|'(?:[^']|'')*'|;|[^-';]+|-")
_EMBEDDED = {"bash": re.compile(r'\bpsql \S+ -c "([^"]+)"'), "typescript": re.compile(r"\$queryRaw`([^`]+)`")}


@dataclass(frozen=True, slots=True)
class Statement:
    """`name` is the heading that it stands under and how it begins."""

    name: str
    sql: str

    @property
    def copies(self) -> bool:
        """psql's own \\COPY, which the server does not know."""
        return self.sql.startswith("\\COPY")


def statements(text: str) -> list[Statement]:
    """In the order of the document."""
    return [
        Statement(f"{_heading_before(text, block.start())}: {_beginning(sql)}", sql)
        for block in _BLOCK.finditer(text)
        for sql in _in_block(block[1], block[2])
    ]


def _in_block(language: str, body: str) -> Iterator[str]:
    if language == "sql":
        yield from split(body)
    elif language in _EMBEDDED:
        for found in _EMBEDDED[language].finditer(body):
            yield from split(found[1])


def split(script: str) -> Iterator[str]:
    """Cut at semicolons that end a statement; comments go."""
    statement = ""
    for token in [*_TOKEN.findall(script), ";"]:
        if token == ";":
            if statement.strip():
                yield statement.strip()
            statement = ""
        elif not token.startswith("--"):
            statement += token


def _heading_before(text: str, position: int) -> str:
    return [found[1] for found in _HEADING.finditer(text, 0, position)][-1]


def _beginning(sql: str) -> str:
    return " ".join(sql.split())[:40].strip()
