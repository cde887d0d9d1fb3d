"""Where a restore goes: a fresh database, never the one that is in use."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg

from elevate_api.backups import contents
from elevate_api.backups.contents import quoted
from elevate_api.backups.errors import BackupFailed
from elevate_api.kit.db import Address

MAINTENANCE = "postgres"
"""The database that one connects to for making and renaming others; every cluster has it."""
_FILLED = """
SELECT count(*) FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
"""

# Autovacuum is not ours to end; the renaming does it.
_TERMINATE = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = ANY ($1::text[]) AND backend_type = 'client backend'
"""


def in_database(address: Address, name: str) -> Address:
    """The same server and user, another database."""
    return replace(address, url=address.url.set(database=name))


@asynccontextmanager
async def fresh(address: Address, name: str) -> AsyncIterator[Address]:
    """A new database for a restore; dropped again when the block fails, so that no half of one is taken for a whole.

    Raises BackupFailed where there is one of this name already.
    """
    async with contents.connected(in_database(address, MAINTENANCE)) as connection:
        if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            raise BackupFailed(f"there is a database {name} already: restores go into a fresh one")
        await connection.execute(f"CREATE DATABASE {quoted(name)} TEMPLATE template0 ENCODING 'UTF8'")
    try:
        yield in_database(address, name)
    except BaseException:
        await drop(address, name)
        raise


async def drop(address: Address, name: str) -> None:
    """Without FORCE first: that ends an autovacuum by itself, which FORCE would need a superuser for."""
    async with contents.connected(in_database(address, MAINTENANCE)) as connection:
        try:
            await connection.execute(f"DROP DATABASE IF EXISTS {quoted(name)}")
        except asyncpg.ObjectInUseError:
            await connection.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")


async def require_empty(address: Address) -> None:
    """Raises BackupFailed when there is anything in the database."""
    async with contents.connected(address) as connection:
        if await connection.fetchval(_FILLED):
            raise BackupFailed(f"{address.url.database} is not empty: restores go into a fresh database")


async def switch(address: Address, restored: str, aside: str) -> None:
    """Put the restored database in the place of the live one, which stays under the name `aside`.

    Connections to either are ended. Both renames are one transaction: there is no moment with neither.
    """
    live = str(address.url.database)
    async with contents.connected(in_database(address, MAINTENANCE)) as connection:
        for name in (live, restored):
            await connection.execute(f"ALTER DATABASE {quoted(name)} WITH ALLOW_CONNECTIONS false")
        try:
            await _end_connections(connection, (live, restored))
            async with connection.transaction():
                await connection.execute(f"ALTER DATABASE {quoted(live)} RENAME TO {quoted(aside)}")
                await connection.execute(f"ALTER DATABASE {quoted(restored)} RENAME TO {quoted(live)}")
        finally:
            for name in await _existing(connection, (live, restored, aside)):
                await connection.execute(f"ALTER DATABASE {quoted(name)} WITH ALLOW_CONNECTIONS true")


async def _existing(connection: Any, names: tuple[str, ...]) -> list[str]:
    rows = await connection.fetch("SELECT datname FROM pg_database WHERE datname = ANY ($1::text[])", list(names))
    return [row["datname"] for row in rows]


async def _end_connections(connection: Any, names: tuple[str, ...]) -> None:
    """Raises BackupFailed when there are some that this role may not end."""
    try:
        await connection.execute(_TERMINATE, list(names))
    except asyncpg.InsufficientPrivilegeError as error:
        raise BackupFailed(f"stop the service first: others are connected, and {error}") from error
