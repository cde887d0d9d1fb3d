"""Dumps by pg_dump, streamed into the store, with a manifest of exactly what they hold."""

import asyncio
import time
from typing import Any

from elevate_api.backups import contents, tools
from elevate_api.backups.errors import BackupFailed
from elevate_api.backups.manifest import Kind, Manifest, Snapshot, Style
from elevate_api.backups.store import Output, Store
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Address

ROOM = 64 << 20
"""Bytes that must be free beyond half of the database's size; a compressed dump is some 15 to 30 % of it."""
_LOCK_WAIT_MS = 60_000
_ONLY = {Kind.FULL: (), Kind.SCHEMA: ("--schema-only",), Kind.DATA: ("--data-only",)}
_OPTIONS = (
    *("--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions", "--no-security-labels"),
    "--no-unlogged-table-data",
    *(f"--exclude-table-data=public.{table}" for table in contents.DERIVED),
    *("--no-tablespaces", f"--lock-wait-timeout={_LOCK_WAIT_MS}", "--no-password"),
)

_OTHER_SCHEMAS = """
SELECT nspname FROM pg_namespace WHERE nspname <> ALL ($1::text[]) AND nspname !~ '^(pg_|information_schema$)'
"""


async def create(address: Address, store: Store, kind: Kind = Kind.FULL, *, plain: bool = False) -> Manifest:
    """Dump the database as one snapshot sees it, counts and checksums of the same snapshot beside it.

    The snapshot is held until the dump is done; readers and writers go on. Raises BackupFailed.
    """
    started = time.monotonic()
    style = Style.PLAIN if plain else Style.CUSTOM
    async with contents.connected(address) as connection:
        store.prepare(await connection.fetchval("SELECT pg_database_size(current_database())") // 2 + ROOM)
        tool = tools.find("pg_dump", connection.get_server_version().major)
        async with contents.snapshot(connection) as name:
            state = await contents.describe(connection)
            arguments = [*_arguments(kind, style), f"--snapshot={name}", *await _excluded(connection, state)]
            manifest = await asyncio.to_thread(_dump, address, store, tool, arguments, kind, style, state)
    manifest = manifest.model_copy(update={"seconds": round(time.monotonic() - started, 3)})
    store.add(manifest)
    return manifest


def _arguments(kind: Kind, style: Style) -> list[str]:
    if kind not in _ONLY:
        raise BackupFailed(f"no dump is of the kind {kind}")
    return [f"--format={style}", *_ONLY[kind], *_OPTIONS]


async def _excluded(connection: Any, state: Snapshot) -> list[str]:
    """A hosted database has schemas that are not ours (auth, storage, ...)."""
    ours = ["public", *state.extensions.values()]
    rows = await connection.fetch(_OTHER_SCHEMAS, ours)
    return [f"--exclude-schema={contents.quoted(row['nspname'])}" for row in rows]


def _dump(
    address: Address, store: Store, tool: tools.Tool, arguments: list[str], kind: Kind, style: Style, state: Snapshot
) -> Manifest:
    dsn, environment = tools.connection(address)
    name, path = store.new_name(kind, style, utcnow())
    with Output(path, store.key) as output:
        tools.pump_out(tool, [*arguments, f"--dbname={dsn}"], environment, output.write)
        digest = output.finish()
    return Manifest(
        id=name,
        kind=kind,
        style=style,
        file=path.name,
        encrypted=store.key is not None,
        size_bytes=output.size,
        sha256=digest,
        seconds=0,
        tool=f"{tool.path.name} {tool.version}",
        snapshot=state,
    )
