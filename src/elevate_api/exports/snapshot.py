"""A connection of its own for a long read: one snapshot, read only, outside the pool that requests share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import structlog

from elevate_api.kit.bounds import WHOLE_LIFTED
from elevate_api.kit.db import Database
from elevate_api.kit.problems import DatabaseUnavailable

CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 5.0
LONGEST_SECONDS = 3600
"""A snapshot keeps the database from cleaning up behind it, so no export may go on for ever."""

log = structlog.get_logger(__name__)


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A REPEATABLE READ, READ ONLY transaction; works through a transaction pooler, as it is one transaction.

    However the block ends, the connection is gone afterwards and what it was running is cancelled. Raises
    DatabaseUnavailable when there is none to be had.
    """
    connection = await _connect(database)
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                await connection.execute("SET LOCAL statement_timeout = 0")
                await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
                # One processor of the database, however long it takes: others are at work on it.
                await connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")
                await connection.execute(WHOLE_LIFTED)
                yield connection
    finally:
        await asyncio.shield(_close(connection))


async def _connect(database: Database) -> asyncpg.Connection:
    arguments = {"timeout": CONNECT_SECONDS, **database.address.driver_arguments()}
    try:
        return await asyncpg.connect(**arguments)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        log.warning("export_connection_failed", error=type(error).__name__)
        raise DatabaseUnavailable from error


async def _close(connection: asyncpg.Connection) -> None:
    with suppress(Exception):  # whatever it says: it is cut off then
        await connection.close(timeout=CLOSE_SECONDS)
        return
    connection.terminate()
