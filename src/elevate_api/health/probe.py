"""Looking at the database on a connection of its own, within a time limit whatever the server does."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog

from elevate_api.analytics.queries import FRESHNESS, VIEWS, ViewFreshness
from elevate_api.kit.db import Address
from elevate_api.kit.problems import UNAVAILABLE, describe

LOOK_SECONDS = 1.7
"""Over all; the answer has to be out within 2."""
CONNECT_SECONDS = 5
"""An attempt to connect outlives the look that began it: the next one finds it done, and attempts never pile up."""
SIZE_SECONDS = 30
"""How long the size of the database is remembered; PostgreSQL asks the file system about every file for it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Unusable:
    """The database cannot be used; `detail` may be shown to anybody."""

    detail: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What a look found. `unread` names what could not be read this time (a lock in the way, no migrations yet)."""

    latency_seconds: float
    version: str
    revision: str | None
    views: list[ViewFreshness]
    view_sizes: dict[str, tuple[int, str]]
    recent_submissions: int | None
    size_bytes: int | None
    unread: tuple[str, ...]


class DatabaseProbe:
    """Keeps one connection between looks and replaces it when it breaks. Not for concurrent looks."""

    def __init__(self, address: Address, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._address = address
        self._look_seconds = look_seconds
        self._connection: Any = None
        self._connecting: asyncio.Task[Any] | None = None
        self._size: tuple[float, int] | None = None
        self._sizes: dict[str, tuple[int, str]] = {}

    async def look(self) -> Findings | Unusable:
        task = asyncio.create_task(self._look())
        done, _ = await asyncio.wait({task}, timeout=self._look_seconds)
        if not done:
            await self._abandon(task)
            return Unusable(f"no answer within {self._look_seconds:g} seconds")
        try:
            return task.result()
        except Exception as error:  # noqa: BLE001  (a probe answers whatever happens)
            self._drop()
            described = describe(error)
            log.warning("database_probe_failed", error=repr(error))
            return Unusable(_reason(described.sqlstate if described else None))

    async def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            with suppress(asyncio.CancelledError, Exception):
                self._connection = await self._connecting
        if self._connection is not None:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._connection.close(timeout=1)
        self._drop()

    async def _abandon(self, task: asyncio.Task[Any]) -> None:
        """Break the connection off first: a query that is cancelled has asyncpg ask the silent server to cancel it."""
        self._drop()
        await asyncio.wait({task}, timeout=0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _look(self) -> Findings:
        kept = self._connection is not None
        try:
            return await self._ask(await self._connected())
        except Exception:
            if not kept:
                raise
        # Whatever is wrong, the connection of an earlier look may have died with a server that is back already.
        self._drop()
        return await self._ask(await self._connected())

    async def _connected(self) -> Any:
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(self._connect_ended)
        self._connection = await asyncio.shield(self._connecting)
        self._connecting = None
        return self._connection

    async def _connect(self) -> Any:
        arguments = self._address.driver_arguments()
        named = {**arguments.pop("server_settings", {}), "application_name": "elevate-health"}
        return await asyncpg.connect(**{**arguments, "timeout": CONNECT_SECONDS}, server_settings=named)

    def _connect_ended(self, task: asyncio.Task[Any]) -> None:
        """Forget a failed attempt, also when nobody waits for it any more: the next look tries anew."""
        if (task.cancelled() or task.exception() is not None) and self._connecting is task:
            self._connecting = None

    async def _ask(self, connection: Any) -> Findings:
        started = time.perf_counter()
        basics = (await _read(connection, _BASICS))[0]
        latency = time.perf_counter() - started
        revision = (await _read(connection, _REVISION))[0]["revision"] if basics["migrated"] else None
        unread: list[str] = []
        views = await _try_to_read(connection, FRESHNESS, "refreshes", unread)
        submissions = await _try_to_read(connection, _RECENT_SUBMISSIONS, "recent submissions", unread)
        sizes = await _try_to_read(connection, _VIEW_SIZES, "sizes of views", unread)
        if sizes is not None:
            self._sizes = {row["name"]: (row["bytes"], row["pretty"]) for row in sizes}
        return Findings(
            latency_seconds=latency,
            version=basics["version"],
            revision=revision,
            views=[ViewFreshness(**row) for row in views] if views is not None else _unknown_views(),
            view_sizes=self._sizes,
            recent_submissions=submissions[0]["submissions"] if submissions else None,
            size_bytes=await self._database_size(connection, unread),
            unread=tuple(unread),
        )

    async def _database_size(self, connection: Any, unread: list[str]) -> int | None:
        if self._size is None or time.monotonic() - self._size[0] > SIZE_SECONDS:
            rows = await _try_to_read(connection, _DATABASE_SIZE, "size of the database", unread)
            if rows is None:
                return None
            self._size = (time.monotonic(), rows[0]["bytes"])
        return self._size[1]


async def _read(connection: Any, statement: str) -> list[Any]:
    # A transaction around each: between the parts of one query a transaction pooler may change servers otherwise.
    async with connection.transaction(readonly=True):
        await connection.execute("SET LOCAL lock_timeout = '200ms'; SET LOCAL statement_timeout = '700ms'")
        rows: list[Any] = await connection.fetch(statement)
    return rows


async def _try_to_read(connection: Any, statement: str, what: str, unread: list[str]) -> list[Any] | None:
    """Read what the database can be healthy without: a table may be locked, or not be there yet."""
    try:
        return await _read(connection, statement)
    except asyncpg.PostgresError as error:
        if connection.is_closed() or isinstance(error, asyncpg.PostgresConnectionError):
            raise
        log.warning("database_figure_unread", figure=what, sqlstate=error.sqlstate)
        unread.append(what)
        return None


def _unknown_views() -> list[ViewFreshness]:
    return [ViewFreshness(view, None, None, None, None) for view in VIEWS]


def _reason(sqlstate: str | None) -> str:
    if sqlstate is None or sqlstate == UNAVAILABLE:
        return "cannot be reached"
    return f"refuses to work (SQLSTATE {sqlstate})"


_BASICS = """
SELECT current_setting('server_version') AS version, to_regclass('public.alembic_version') IS NOT NULL AS migrated
"""
_REVISION = "SELECT max(version_num) AS revision FROM alembic_version"
_RECENT_SUBMISSIONS = """
SELECT count(*) AS submissions FROM submissions WHERE created_at >= now() - interval '24 hours'
"""
_VIEW_SIZES = """
SELECT relname AS name, pg_total_relation_size(oid) AS bytes, pg_size_pretty(pg_total_relation_size(oid)) AS pretty
FROM pg_class WHERE relkind = 'm' AND relnamespace = 'public'::regnamespace AND relname IN ('{views}')
""".format(views="', '".join(VIEWS))
_DATABASE_SIZE = "SELECT pg_database_size(current_database()) AS bytes"
