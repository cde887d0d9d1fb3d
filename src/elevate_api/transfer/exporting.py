"""Tables and the leaderboard as lossless CSV or JSON, streamed at the reader's pace, as one snapshot sees them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from elevate_api.kit.bounds import WHOLE_LIFTED
from elevate_api.kit.db import Address
from elevate_api.leaderboards.queries import Period
from elevate_api.transfer.tables import Column, columns_of

Write = Callable[[bytes], object]
ROWS_AT_ONCE = 500
TABLES = {"users": "users", "submissions": "submissions", "ledger": "points_ledger"}
"""What the commands call them, and what they are."""
_KEYS = {"users": "created_at, id", "submissions": "id", "points_ledger": "id"}


async def export_table(address: Address, what: str, write: Write, *, as_json: bool) -> int:
    """Write a whole table; answers the number of rows. Reading it back gives exactly the same rows."""
    async with _snapshot(address) as connection:
        table = TABLES[what]
        columns = await columns_of(connection, table)
        return await _export(connection, _select(columns, f"public.{table}", _KEYS[table]), write, as_json=as_json)


async def export_leaderboard(
    address: Address, period: Period, limit: int | None, write: Write, *, as_json: bool
) -> int:
    """The board as of its last refresh, the best first; people who left it since are not in it."""
    query = _BOARD.format(view=period.view, limit="ALL" if limit is None else int(limit))
    async with _snapshot(address) as connection:
        return await _export(connection, query, write, as_json=as_json)


async def _export(connection: Any, query: str, write: Write, *, as_json: bool) -> int:
    return await (_json(connection, query, write) if as_json else _csv(connection, query, write))


async def _csv(connection: Any, query: str, write: Write) -> int:
    async def output(chunk: bytes) -> None:
        await asyncio.to_thread(write, chunk)

    status = await connection.copy_from_query(query, output=output, format="csv", header=True, encoding="utf-8")
    return int(status.split()[-1])


async def _json(connection: Any, query: str, write: Write) -> int:
    """An array with an object a line, so that a line can be named when it comes back."""
    rows = 0
    cursor = await connection.cursor(f"SELECT row_to_json(t)::text FROM ({query}) t")
    await asyncio.to_thread(write, b"[")
    while batch := await cursor.fetch(ROWS_AT_ONCE):
        text = ",\n".join(row[0].replace("\n", "\\n") for row in batch)
        await asyncio.to_thread(write, ((",\n" if rows else "\n") + text).encode())
        rows += len(batch)
    await asyncio.to_thread(write, b"\n]\n")
    return rows


@asynccontextmanager
async def _snapshot(address: Address) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(**address.driver_arguments())
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute("SET LOCAL timezone = 'UTC'; SET LOCAL statement_timeout = 0")
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            await connection.execute(WHOLE_LIFTED)
            yield connection
    finally:
        await connection.close()


def _select(columns: list[Column], source: str, order: str) -> str:
    parts = [_TIME.format(column.name) if column.type == _TIMES else column.name for column in columns]
    return f"SELECT {', '.join(parts)} FROM {source} ORDER BY {order}"


_TIMES = "timestamp with time zone"
_TIME = "to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS {0}"
_BOARD = """
SELECT rank, u.handle, u.name, b.school, b.cohort, b.total_points AS points, b.user_id
FROM (SELECT *, rank() OVER (ORDER BY total_points DESC) AS rank FROM public.{view}) b
JOIN public.users u ON u.id = b.user_id
WHERE u.erased_at IS NULL AND u.show_on_leaderboard AND u.role = 'PARTICIPANT'
ORDER BY b.total_points DESC, b.reached_at, b.user_id LIMIT {limit}
"""
