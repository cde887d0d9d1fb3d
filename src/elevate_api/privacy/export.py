"""A person's data as one JSON document, read in one snapshot and written piece by piece."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import asyncpg
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

from elevate_api.exports.download import Produce, Write
from elevate_api.privacy.inventory import PERSON, SECTIONS, Section

FETCH = 500
"""Rows read at a time: an administrator's trail may be long."""

_JSON = frozenset({"payload", "details", "headers"})


def personal_data(user_id: str, at: datetime) -> Produce:
    """`{"exportedAt", "person": {...}, "<section>": [...], ...}`; files are at `GET /api/attachments/{id}`."""

    async def produce(connection: asyncpg.Connection, write: Write) -> None:
        await write(b'{"exportedAt":' + to_json(at))
        async for row in _rows(connection, PERSON, user_id):
            await write(b',"person":' + row)
        for section in SECTIONS:
            await write(b',"' + section.name.encode() + b'":[')
            is_first = True
            async for row in _rows(connection, section, user_id):
                await write(row if is_first else b"," + row)
                is_first = False
            await write(b"]")
        await write(b"}\n")

    return produce


async def _rows(connection: asyncpg.Connection, section: Section, user_id: str) -> AsyncIterator[bytes]:
    """A cursor of SQL's own: it needs no named statement, which a transaction pooler would mix up."""
    cursor = f"section_{section.name.lower()}"  # a name for each: the driver remembers what a FETCH brings
    await connection.execute(f"DECLARE {cursor} NO SCROLL CURSOR FOR {section.sql}", user_id)
    while rows := await connection.fetch(f"FETCH {FETCH} FROM {cursor}"):
        for row in rows:
            yield to_json({to_camel(name): _plain(name, value) for name, value in row.items()})
    await connection.execute(f"CLOSE {cursor}")


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return json.loads(value) if name in _JSON and isinstance(value, str) else value
