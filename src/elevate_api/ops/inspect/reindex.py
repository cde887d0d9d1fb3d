"""Building indexes anew beside their readers and writers."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from elevate_api.kit.db import Database

_KNOWN = text("""
    SELECT i.relname FROM pg_class i JOIN pg_index x ON x.indexrelid = i.oid
    WHERE i.relnamespace = 'public'::regnamespace
""")
_LEFTOVERS = text("""
    SELECT quote_ident(i.relname) FROM pg_class i JOIN pg_index x ON x.indexrelid = i.oid
    WHERE i.relnamespace = 'public'::regnamespace AND NOT x.indisvalid AND i.relname ~ '_cc(new|old)[0-9]*$'
""")


class NoSuchIndex(LookupError):
    """Its text names them."""


async def reindex(database: Database, names: list[str]) -> list[str]:
    """REINDEX INDEX CONCURRENTLY, one after the other; answers the leftovers of interrupted runs that it removed.

    Connect as the owner. Raises NoSuchIndex before anything is built.
    """
    async with database.engine.connect() as connection:
        alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
        unknown = set(names) - set((await alone.execute(_KNOWN)).scalars())
        if unknown:
            raise NoSuchIndex(", ".join(sorted(unknown)))
        removed = await _remove_leftovers(alone)
        for name in names:
            quoted = name.replace('"', '""')
            await alone.exec_driver_sql(f'REINDEX INDEX CONCURRENTLY "{quoted}"')
    return removed


async def _remove_leftovers(alone: AsyncConnection) -> list[str]:
    names = list((await alone.execute(_LEFTOVERS)).scalars())
    for name in names:
        await alone.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    return names
