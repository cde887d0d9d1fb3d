"""What a table's columns are, read from the database: a new column is exported and imported without a line here."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

EXPORTED = ("users", "submissions", "points_ledger")
IMPORTED = ("users", "submissions")


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    required: bool
    """Neither NULL nor a default may stand in for it."""
    nullable: bool


async def columns_of(connection: Any, table: str) -> list[Column]:
    rows = await connection.fetch(_COLUMNS, f"public.{table}")
    return [Column(row["name"], row["type"], row["required"], row["nullable"]) for row in rows]


def parse(column: Column, value: Any) -> Any:
    """The column's Python value for a CSV field or a JSON value. Raises ValueError with words for a person."""
    if value is None:
        if not column.nullable:
            raise ValueError("must not be empty")
        return None
    return _PARSERS[column.type](value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 - a fault of the file
    if "\0" in value:
        raise ValueError("must not contain the character U+0000")
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    found = _TRUTH.get(str(value).lower())
    if found is None:
        raise ValueError("must be true or false")
    return found


def _integer(value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise ValueError("must be a whole number") from None
    if isinstance(value, float | bool) or not -(2**31) <= number < 2**31:
        raise ValueError("must be a whole number of at most 32 bits")
    return number


def _time(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        raise ValueError("must be a time such as 2026-03-01T10:15:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("must be a time with its offset, such as 2026-03-01T10:15:00Z")
    return moment.astimezone(UTC)


def _uuid(value: Any) -> UUID:
    try:
        return UUID(_text(value))
    except ValueError:
        raise ValueError("must be a UUID") from None


def _json(value: Any) -> str:
    """As PostgreSQL takes it; in CSV the document is text, in JSON it is a value."""
    try:
        document = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("must be a JSON document") from None
    text = json.dumps(document)
    if "\\u0000" in text:
        raise ValueError("must not contain the character U+0000")
    return text


_TRUTH = {"true": True, "t": True, "yes": True, "1": True, "false": False, "f": False, "no": False, "0": False}
_PARSERS: Mapping[str, Callable[[Any], Any]] = {
    "text": _text,
    "boolean": _boolean,
    "integer": _integer,
    "smallint": _integer,
    "timestamp with time zone": _time,
    "uuid": _uuid,
    "jsonb": _json,
}

_COLUMNS = """
SELECT attname AS name, format_type(atttypid, atttypmod) AS type, NOT attnotnull AS nullable,
       attnotnull AND NOT atthasdef AS required
FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum
"""
