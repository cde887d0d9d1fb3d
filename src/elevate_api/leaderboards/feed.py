"""The live board: one poller of a process tells any number of listeners that there is a new version.

Listeners hold no connection of the database. The poller asks for a few short rows twice a second, and only while
somebody listens or reads; a database that does not answer costs heartbeats nothing.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import datetime

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from elevate_api.kit.db import Database
from elevate_api.kit.schemas import Instant, Schema
from elevate_api.leaderboards.queries import NO_VERSION, Period

POLL_SECONDS = 0.5
"""With a fold every second a board is new in every process within two of what changed it."""
AWAKE_SECONDS = 60.0
"""How long it looks on after somebody wanted to know."""
HEARTBEAT_SECONDS = 15.0
RETRY_MILLISECONDS = 3000
"""How long a browser waits before it connects again."""

_UNANSWERED = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
log = structlog.get_logger(__name__)


class BoardEvent(Schema):
    """There is a new version of the board; `asOf` is when the refresh that made it started."""

    version: str
    as_of: Instant | None

    def encoded(self) -> bytes:
        return f"id: {self.version}\nevent: board\ndata: {self.model_dump_json()}\n\n".encode()


class BoardFeed:
    """`events` for each listener. Closing ends every stream.

    `database` is best one of its own, with one connection: who reads from memory must not wait for a pool that is full.
    """

    def __init__(
        self,
        database: Database,
        *,
        poll_seconds: float = POLL_SECONDS,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        stopping: Callable[[], bool] | None = None,
    ) -> None:
        self._database = database
        self._poll_seconds = poll_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._stopping = stopping or _server_is_stopping
        self._boards: dict[Period, BoardEvent] = {}
        self._tick = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None
        self._hearers: list[Callable[[object], None]] = []
        self._awake_until = float("-inf")
        self._closed = False
        self.listeners = 0

    async def events(self, period: Period, last_seen: str | None) -> AsyncIterator[bytes]:
        """The board as it is unless it is what the listener saw last, then each new version, heartbeats between."""
        self._join()
        try:
            yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
            while not self._closed:
                tick, board = self._tick, self._boards.get(period)
                if board is not None and board.version != last_seen:
                    last_seen = board.version
                    yield board.encoded()
                else:
                    yield b": still here\n\n"
                await tick.wait()
        finally:
            self.listeners -= 1

    def tell(self, hear: Callable[[object], None]) -> None:
        """Have `hear` called after each look, with what is equal as long as the boards and figures are."""
        self._hearers.append(hear)

    def wake(self) -> None:
        """Look for AWAKE_SECONDS from now."""
        self._awake_until = asyncio.get_running_loop().time() + AWAKE_SECONDS
        self._start()

    async def close(self) -> None:
        self._end()
        if self._poller is not None:
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller

    def _join(self) -> None:
        self.listeners += 1
        self._start()

    def _start(self) -> None:
        if self._poller is None or self._poller.done():
            self._boards = {}  # nobody looked meanwhile: what is known may be old
            self._poller = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        told_at = loop.time()
        while (self.listeners or loop.time() < self._awake_until) and not self._closed:
            if self._stopping():
                self._end()
                return
            changed = await self._look()
            if changed or loop.time() - told_at >= self._heartbeat_seconds:
                told_at = loop.time()
                self._tell()
            await asyncio.sleep(self._poll_seconds)

    async def _look(self) -> bool:
        """Ask for the versions; whether one is new."""
        try:
            rows = await self._database.once(_VERSIONS)
        except _UNANSWERED as error:
            log.warning("board_version_unknown", error=type(error).__name__)
            return False
        versions = {what: (fingerprint, started_at) for what, fingerprint, started_at in rows}
        for hear in self._hearers:
            hear(versions)
        found = {period: _event(*versions[period]) for period in Period}
        changed = any(
            period not in self._boards or self._boards[period].version != board.version
            for period, board in found.items()
        )
        self._boards = found
        return changed

    def _tell(self) -> None:
        self._tick.set()
        self._tick = asyncio.Event()

    def _end(self) -> None:
        self._closed = True
        self._tell()


def _event(fingerprint: str | None, started_at: datetime | None) -> BoardEvent:
    return BoardEvent(version=fingerprint or NO_VERSION, as_of=started_at)


def _server_is_stopping() -> bool:
    """Whether uvicorn was told to stop: it then waits for open connections, and a stream would keep it waiting.

    It says so to nobody, but the handler that it sets for SIGTERM is a method of the server itself.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return bool(getattr(server, "should_exit", False))


_VERSIONS = """
SELECT b.what, r.fingerprint, r.started_at
FROM (VALUES ('all', 'leaderboard_totals'), ('30d', 'leaderboard_30d'), ('stats', 'activity_metrics')) AS b (what, view)
LEFT JOIN LATERAL (
  SELECT fingerprint, started_at FROM analytics_refreshes
  WHERE view_name = b.view AND ok ORDER BY started_at DESC LIMIT 1
) r ON true
"""
