"""The live board: one poller of a process tells any number of listeners that there is a new version.

Listeners hold no connection of the database. The poller asks for a few short rows twice a second, and only while
somebody listens or reads; a database that does not answer costs heartbeats nothing.
"""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from elevate_api.kit.bounds import crowded
from elevate_api.kit.db import Database
from elevate_api.kit.problems import RateLimited
from elevate_api.kit.schemas import Instant, Schema
from elevate_api.leaderboards.queries import Period

POLL_SECONDS = 0.5
"""With a fold every second a board is new in every process within two of what changed it."""
AWAKE_SECONDS = 60.0
"""How long it looks on after somebody wanted to know."""
HEARTBEAT_SECONDS = 15.0
CLOSE_SECONDS = 1.0
LISTENERS, OF_AN_ADDRESS = 5_000, 1_000
"""Most that listen to a process, and from one address, behind which a school may be: a stream has no end, so the rate
limit alone, which counts how many begin, would let one client take every connection there is."""
RETRY_MILLISECONDS = 3000
"""How long a browser waits before it connects again."""

_UNANSWERED = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
log = structlog.get_logger(__name__)


class BoardEvent(Schema):
    """There is a new version of the board; `asOf` is when a fold started that found it so."""

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
        self._closed = asyncio.Event()
        self.listeners = 0
        self._addresses: Counter[str] = Counter()

    def admit(self, address: str) -> None:
        """Raises DatabaseUnavailable when too many listen, RateLimited when too many of them are at this address."""
        if self.listeners >= LISTENERS:
            raise crowded()
        if self._addresses[address] >= OF_AN_ADDRESS:
            raise RateLimited

    async def events(self, period: Period, last_seen: str | None, address: str = "") -> AsyncIterator[bytes]:
        """The board as it is unless it is what the listener saw last, then each new version, heartbeats between."""
        self._join(address)
        try:
            yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
            while not self._closed.is_set():
                tick, board = self._tick, self._boards.get(period)
                if board is not None and board.version != last_seen:
                    last_seen = board.version
                    yield board.encoded()
                else:
                    yield b": still here\n\n"
                await tick.wait()
        finally:
            self._leave(address)

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
            # A statement that is cut off leaves its connection to be broken off: it is given the time to end.
            await asyncio.wait({self._poller}, timeout=CLOSE_SECONDS)
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller

    def _join(self, address: str) -> None:
        self.listeners += 1
        self._addresses[address] += 1
        self._start()

    def _leave(self, address: str) -> None:
        self.listeners -= 1
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]

    def _start(self) -> None:
        if self._poller is None or self._poller.done():
            self._boards = {}  # nobody looked meanwhile: what is known may be old
            self._poller = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        told_at = loop.time()
        while (self.listeners or loop.time() < self._awake_until) and not self._closed.is_set():
            if self._stopping():
                self._end()
                return
            changed = await self._look()
            if changed or loop.time() - told_at >= self._heartbeat_seconds:
                told_at = loop.time()
                self._tell()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._closed.wait()

    async def _look(self) -> bool:
        """Ask for the versions; whether one is new."""
        try:
            rows = await self._database.once(_VERSIONS)
        except _UNANSWERED as error:
            log.warning("board_version_unknown", error=type(error).__name__)
            return False
        versions = tuple(rows[0])
        for hear in self._hearers:
            hear(versions)
        as_of, *boards = versions[:3]
        found = {
            period: BoardEvent(version=str(board), as_of=as_of) for period, board in zip(Period, boards, strict=True)
        }
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
        self._closed.set()
        self._tell()


def _server_is_stopping() -> bool:
    """Whether uvicorn was told to stop: it then waits for open connections, and a stream would keep it waiting.

    It says so to nobody, but the handler that it sets for SIGTERM is a method of the server itself.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return bool(getattr(server, "should_exit", False))


# The rest is told to whoever keeps answers: the public figures count submissions and grants too.
_VERSIONS = """
SELECT as_of, version_all, version_30d, version_people, version_ledger, version_submissions, rebuilt_at
FROM totals_state
"""
