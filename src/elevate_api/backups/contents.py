"""What is in a database, as one snapshot sees it: tables, columns, keys, counts, checksums."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from elevate_api.backups.errors import BackupFailed
from elevate_api.backups.manifest import Snapshot, TableContents
from elevate_api.kit.bounds import WHOLE_LIFTED
from elevate_api.kit.db import Address

OUR_EXTENSIONS = ("pg_trgm",)
"""Extensions that our own indexes use; everything else that a host has installed stays its own business."""
DERIVED = (
    "user_totals_rows",
    "score_histogram",
    "stage_totals",
    "day_totals",
    "totals_state",
    "submission_changes",
    "people_changes",
    "grant_changes",
    "rebuild_requests",
)
"""Counted from other tables, and notes for that (docs/decisions/totals.md): a restore counts them anew."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of ours: its columns without the generated ones, and its primary key."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def sql(self) -> str:
        return f"public.{quoted(self.name)}"

    @property
    def column_list(self) -> str:
        return ", ".join(map(quoted, self.columns))


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[Any]:
    """A driver's connection of its own; times are UTC, nothing limits how long a statement takes."""
    connection = await asyncpg.connect(**address.driver_arguments())
    try:
        # Statements, not start-up parameters: a session-mode pooler refuses those that it does not know.
        await connection.execute(
            "SET timezone = 'UTC'; SET statement_timeout = 0; SET jit = off; SET application_name = 'elevate-backup'"
        )
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def snapshot(connection: Any) -> AsyncIterator[str]:
    """A read-only transaction whose view others can share: the snapshot's name for `pg_dump --snapshot`."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await connection.execute(WHOLE_LIFTED)
        yield await connection.fetchval("SELECT pg_export_snapshot()")


async def describe(connection: Any) -> Snapshot:
    """The state that this transaction sees. It reads every row once."""
    row = await connection.fetchrow(_STATE)
    if row["migrated"] is None:
        raise BackupFailed("nothing was migrated yet: there is nothing to back up")
    migration = await connection.fetchval("SELECT version_num FROM public.alembic_version")
    found = await connection.fetch(_EXTENSIONS, list(OUR_EXTENSIONS))
    return Snapshot(
        taken_at=row["taken_at"],
        server_version=row["server_version"],
        system_identifier=str(row["system_identifier"]),
        timeline=row["timeline"],
        database=row["database"],
        database_oid=row["database_oid"],
        migration=migration,
        horizon=row["horizon"],
        extensions={item["name"]: item["schema"] for item in found},
        tables=await checksums(connection),
        seal=await seal_head(connection),
    )


async def seal_head(connection: Any) -> str | None:
    """`number:digest` of the last batch, as this transaction sees it."""
    if await connection.fetchval("SELECT to_regclass('public.ledger_seals')") is None:
        return None  # a database from before there was a seal
    head: str | None = await connection.fetchval(_HEAD)
    return head


async def checksums(connection: Any) -> dict[str, TableContents]:
    """Count and checksum of every table, as this transaction sees it."""
    names = [row["name"] for row in await connection.fetch(_TABLE_NAMES)]
    return {name: await _checksum(connection, name) for name in names}


async def tables(connection: Any) -> list[Table]:
    rows = await connection.fetch(_TABLES)
    return [Table(row["name"], tuple(row["columns"]), tuple(row["key"])) for row in rows]


async def _checksum(connection: Any, table: str) -> TableContents:
    row = await connection.fetchrow(_CHECKSUM.format(table=quoted(table)))
    return TableContents(rows=row["rows"], checksum=str(row["checksum"]))


# The first 60 bits of md5 over the row's text, added up: the order of rows does not matter and no row can be swapped
# for another unnoticed. (hashtext is faster, but may change from one major version to the next.)
_CHECKSUM = """
SELECT count(*) AS rows, coalesce(sum(('x' || left(md5(t::text), 15))::bit(60)::bigint), 0)::text AS checksum
FROM public.{table} t
"""

_OURS = f"""
c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relpersistence = 'p'
AND c.relname NOT IN ({", ".join(f"'{name}'" for name in DERIVED)})
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""

_TABLE_NAMES = f"SELECT c.relname AS name FROM pg_class c WHERE {_OURS} ORDER BY 1"

_TABLES = f"""
SELECT c.relname AS name,
  array(SELECT attname::text FROM pg_attribute
        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum) AS columns,
  array(SELECT a.attname::text FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(number, place), pg_attribute a
        WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.number
        ORDER BY k.place) AS key
FROM pg_class c WHERE {_OURS} ORDER BY 1
"""

_STATE = """
SELECT now() AS taken_at, current_setting('server_version') AS server_version,
  (SELECT system_identifier FROM pg_control_system()) AS system_identifier, current_database() AS database,
  (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS database_oid,
  pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon, to_regclass('public.alembic_version') AS migrated,
  CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline
"""

_HEAD = """
SELECT number || ':' || encode(digest, 'hex') FROM public.ledger_seals ORDER BY number DESC LIMIT 1
"""

_EXTENSIONS = """
SELECT extname AS name, nspname AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE extname = ANY ($1::text[])
"""
