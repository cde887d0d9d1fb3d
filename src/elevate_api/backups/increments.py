"""What changed since a dump, from a plain connection: no WAL is needed, so it works on a hosted database.

Every row tells the transaction that wrote it (xmin). The dump's manifest holds the id below which every transaction had
ended when it was taken; rows of that id or a later one are all that can be new or changed since, those of transactions
that were open at the time included. docs/decisions/backups.md has the argument at length.

The file is gzip over records: a letter, four bytes of length, contents. T: a table's head (JSON), D: COPY text of the
table before, E: the end.
"""

import json
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from elevate_api.backups import contents
from elevate_api.backups.contents import Table, quoted
from elevate_api.backups.errors import BackupFailed, Damaged
from elevate_api.backups.manifest import Kind, Manifest, Snapshot, Style
from elevate_api.backups.store import Output, Store
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Address

ROOM = 64 << 20
KEPT = frozenset(
    {"points_ledger", "point_adjustments", "users", "submissions", "audit_log", "kajabi_events", "ledger_seals"}
)
"""Tables that lose no row, or (the audit log) only old ones to retention: the increment need not say what is gone.

Of every other table it lists the keys that are there.
"""
_GZIP = 31
_WRAP, _HALF = 1 << 32, 1 << 31


class NotContinuable(BackupFailed):
    """The dump is of another cluster, timeline or schema: only a new dump continues it."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the data after it is. `part`: the changed rows, or the keys of all rows."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    part: str


async def create(address: Address, store: Store, base: Manifest) -> Manifest:
    """Write what changed since the dump `base`. Raises NotContinuable, or BackupFailed."""
    started = time.monotonic()
    store.prepare(ROOM)
    name, path = store.new_name(Kind.INCREMENT, Style.CHANGES, utcnow())
    with Output(path, store.key) as output:
        async with contents.connected(address) as connection, contents.snapshot(connection):
            state = await contents.describe(connection)
            _require_continuous(base.snapshot, state)
            writer = _Writer(output.write)
            for table in await contents.tables(connection):
                await _write_table(connection, writer, table, base.snapshot.horizon)
            writer.finish()
        digest = output.finish()
    manifest = Manifest(
        id=name,
        kind=Kind.INCREMENT,
        style=Style.CHANGES,
        file=path.name,
        encrypted=store.key is not None,
        size_bytes=output.size,
        sha256=digest,
        seconds=round(time.monotonic() - started, 3),
        tool="elevate",
        base=base.id,
        snapshot=state,
    )
    store.add(manifest)
    return manifest


def _require_continuous(base: Snapshot, now: Snapshot) -> None:
    for what in ("system_identifier", "timeline", "database_oid", "migration"):
        if getattr(base, what) != getattr(now, what):
            raise NotContinuable(f"the {what.replace('_', ' ')} is another one than at the last dump: dump again")
    if now.horizon < base.horizon:
        raise NotContinuable("the server was set back to before the last dump: dump again")


async def _write_table(connection: Any, writer: "_Writer", table: Table, horizon: int) -> None:
    if not table.key:
        raise BackupFailed(f"{table.name} has no primary key: an increment cannot hold it")
    changed = f"SELECT {table.column_list} FROM {table.sql} WHERE {changed_since(horizon)}"
    await _copy(connection, writer, Head(table.name, table.columns, table.key, "rows"), changed)
    if table.name not in KEPT:
        keys = f"SELECT {', '.join(map(quoted, table.key))} FROM {table.sql}"
        await _copy(connection, writer, Head(table.name, table.key, table.key, "keys"), keys)


async def _copy(connection: Any, writer: "_Writer", head: Head, query: str) -> None:
    writer.put(b"T", json.dumps(asdict(head)).encode())

    async def data(chunk: bytes) -> None:
        writer.put(b"D", chunk)

    await connection.copy_from_query(query, output=data)


def changed_since(horizon: int) -> str:
    """SQL: was this row written by the transaction `horizon` or a later one?

    xmin has 32 of an id's 64 bits: "later" is being at most 2^31 ahead. A row from before, over two thousand million
    transactions old, may look new and is then written once more, which does no harm.
    """
    return f"(xmin::text::bigint - {horizon % _WRAP} + {_WRAP}) % {_WRAP} < {_HALF}"


async def apply(connection: Any, chunks: Iterable[bytes]) -> None:
    """Bring tables of the dump to the increment's state: changed rows replaced, missing ones put in, gone ones removed.

    Call it between a restore's data and its constraints, in a transaction: order of tables and rows is then free.
    """
    records = _records(chunks)
    letter, payload = next(records)
    while letter == b"T":
        head = _head(payload)
        data = _Data(records)
        await _stage(connection, head, data)
        await connection.execute(_REPLACE[head.part].format(**_names(head)))
        await connection.execute("DROP TABLE increment")
        letter, payload = data.following
    if letter != b"E":
        raise Damaged("the increment ends before its end")


async def _stage(connection: Any, head: Head, data: "_Data") -> None:
    columns = ", ".join(map(quoted, head.columns))
    source = f"SELECT {columns} FROM public.{quoted(head.table)} WITH NO DATA"
    await connection.execute(f"CREATE TEMP TABLE increment ON COMMIT DROP AS {source}")
    await connection.copy_to_table("increment", source=data.chunks(), columns=list(head.columns))
    await connection.execute("ANALYZE increment")


def _names(head: Head) -> dict[str, str]:
    pairs = " AND ".join(f"t.{quoted(name)} = i.{quoted(name)}" for name in head.key)
    return {"table": f"public.{quoted(head.table)}", "columns": ", ".join(map(quoted, head.columns)), "same": pairs}


_REPLACE = {
    "rows": """
        DELETE FROM {table} t USING increment i WHERE {same};
        INSERT INTO {table} ({columns}) SELECT {columns} FROM increment""",
    "keys": "DELETE FROM {table} t WHERE NOT EXISTS (SELECT FROM increment i WHERE {same})",
}


def _head(payload: bytes) -> Head:
    try:
        head = json.loads(payload)
        return Head(head["table"], tuple(head["columns"]), tuple(head["key"]), head["part"])
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged("the increment has a head that cannot be read") from error


class _Writer:
    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._gzip = zlib.compressobj(6, zlib.DEFLATED, _GZIP)

    def put(self, letter: bytes, payload: bytes) -> None:
        self._write(self._gzip.compress(letter + len(payload).to_bytes(4, "big") + payload))

    def finish(self) -> None:
        self.put(b"E", b"")
        self._write(self._gzip.flush())


def _records(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The records; Damaged when they end without the end mark."""
    buffer = bytearray()
    for chunk in _unpacked(chunks):
        buffer += chunk
        position = 0
        while len(buffer) - position >= 5:  # noqa: PLR2004 - letter and length
            length = int.from_bytes(buffer[position + 1 : position + 5], "big")
            if len(buffer) - position < 5 + length:
                break
            yield bytes(buffer[position : position + 1]), bytes(buffer[position + 5 : position + 5 + length])
            position += 5 + length
        del buffer[:position]
    raise Damaged("the increment ends before its end")


def _unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    gzip = zlib.decompressobj(_GZIP)
    try:
        for chunk in chunks:
            yield gzip.decompress(chunk)
    except zlib.error as error:
        raise Damaged("the increment cannot be unpacked") from error


class _Data:
    """The data after a head; `following` is the record after it, once it was read."""

    def __init__(self, records: Iterator[tuple[bytes, bytes]]) -> None:
        self._records = records
        self.following = (b"", b"")

    async def chunks(self) -> AsyncIterator[bytes]:
        for letter, payload in self._records:
            if letter != b"D":
                self.following = (letter, payload)
                return
            yield payload
