"""Records of a CSV or JSON file, one at a time, each with the line that it begins on.

CSV as PostgreSQL writes it: an unquoted empty field is NULL, a quoted one the empty text; Python's csv module cannot
tell them apart. JSON: an array with an object a line, as `elevate export` writes it, or the lines alone (NDJSON).
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from elevate_api.transfer.errors import BadFile, Fault

Record = tuple[int, dict[str, Any]]
MAX_RECORD = 16 << 20
"""Characters; a quote that is never closed would otherwise read the rest of the file into memory."""
_FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|([^",]*))(,|$)', re.DOTALL)


def records(lines: Iterable[str], kind: str) -> Iterator[Record]:
    """`kind` is csv or json. Raises BadFile for what is neither."""
    return _csv(lines) if kind == "csv" else _json(lines)


def _csv(lines: Iterable[str]) -> Iterator[Record]:
    rows = _rows(lines)
    _, names = next(rows, (1, []))
    columns = [name.strip() if name else "" for name in names]
    if not all(columns) or not columns or len(set(columns)) != len(columns):
        raise BadFile([Fault(1, "the first line must name the columns, each once")])
    for line, values in rows:
        if len(values) != len(columns):
            raise BadFile([Fault(line, f"{len(values)} fields, the first line names {len(columns)}")])
        yield line, dict(zip(columns, values, strict=True))


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str | None]]]:
    waiting: list[str] = []
    start, size, odd = 0, 0, False
    for number, line in enumerate(lines, 1):
        text = line.removeprefix("\ufeff") if number == 1 else line
        if not waiting:
            start, size = number, 0
        waiting.append(text)
        size += len(text)
        odd ^= text.count('"') % 2 == 1
        if size > MAX_RECORD:
            raise BadFile([Fault(start, "a quote is opened and not closed")])
        if odd:
            continue
        record, waiting = "".join(waiting).rstrip("\r\n"), []
        if record:
            yield start, _fields(record, start)
    if waiting:
        raise BadFile([Fault(start, "a quote is opened and not closed")])


def _fields(record: str, line: int) -> list[str | None]:
    values: list[str | None] = []
    position = 0
    while True:
        match = _FIELD.match(record, position)
        if match is None:
            raise BadFile([Fault(line, f"field {len(values) + 1} has a quote in the wrong place")])
        quoted, bare, separator = match.groups()
        values.append(quoted.replace('""', '"') if quoted is not None else (bare or None))
        position = match.end()
        if not separator:
            return values


def _json(lines: Iterable[str]) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        text = line.removeprefix("\ufeff").strip().removesuffix(",")
        if text in ("", "[", "]"):
            continue
        try:
            record = json.loads(text)
        except ValueError as error:
            raise BadFile([Fault(number, f"no JSON object of its own: {error}")]) from error
        if not isinstance(record, dict):
            raise BadFile([Fault(number, "a JSON object is expected on each line")])
        yield number, record
