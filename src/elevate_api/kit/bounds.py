"""How long the database may keep anybody waiting, and how many may wait for it.

Three bounds, each for what the one before cannot reach (docs/decisions/time-limits.md):
the server ends statements, waits for locks and idle transactions; a timer here breaks a connection off when the server
itself is silent (frozen, or the network swallows what it says); and a queue that is too long is not joined at all.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import asyncpg
import structlog
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from elevate_api.kit.problems import DatabaseUnavailable

CONNECT_SECONDS = 10.0
"""From the first byte until the connection can be used: the driver's own limit ends before its types are known."""
GRACE_SECONDS = 5.0
"""What the server is given to say that its own limit has struck, before the connection is broken off."""
DELIVERIES = 1000
"""That wait in a process at most: about as many as a modest machine stores in POOL_TIMEOUT."""
_TIMER = "elevate_deadline"
# Where it exists (PostgreSQL 17): between a statement and the end of its transaction older limits watch nothing, and
# a network that swallows that end would leave the transaction and its locks standing until a keepalive finds out.
_WHOLE = "SELECT set_config(name, '{value}', {local}) FROM pg_settings WHERE name = 'transaction_timeout'"
WHOLE_LIFTED = _WHOLE.format(value="0", local="true")
"""Lets the server not end this transaction as a whole; such a limit can be lifted once it runs, and not moved."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds; 0 is for ever on the server. `transaction`: after so long the connection is broken off (None: never)."""

    statement: float = 10
    lock: float = 3
    idle: float = 20
    transaction: float | None = 15

    def settings(self) -> dict[str, str]:
        """Settings of PostgreSQL and their values."""
        values = {
            "statement_timeout": self.statement,
            "lock_timeout": self.lock,
            "idle_in_transaction_session_timeout": self.idle,
        }
        return {name: f"{round(seconds * 1000)}ms" for name, seconds in values.items()}

    def whole(self) -> str:
        """The value of `transaction_timeout`, which PostgreSQL knows from 17 on; later than our own timer."""
        return "0" if self.transaction is None else f"{round((self.transaction + GRACE_SECONDS) * 1000)}ms"


NO_LIMITS = Limits(statement=0, lock=0, idle=0, transaction=None)
"""For commands, whatever the role's defaults are: somebody sits before them, and can end them."""


class Bounds:
    """Puts `limits` on every connection of an engine.

    On the server they are settings of the session. Behind a transaction pooler a session is nobody's, so there they are
    defaults of the role, which `elevate db app-role` sets. None leaves everything as the server has it.
    """

    def __init__(self, limits: Limits | None, *, transaction_pooled: bool) -> None:
        self._seconds = limits.transaction if limits is not None else None
        chosen = limits.settings() if limits is not None and not transaction_pooled else {}
        statements = [f"SET {name} = '{value}'" for name, value in chosen.items()]
        if chosen and limits is not None:
            statements.append(_WHOLE.format(value=limits.whole(), local="false"))
        self._statement = "; ".join(statements)
        self._connecting: WeakKeyDictionary[Any, asyncio.TimerHandle] = WeakKeyDictionary()

    async def connect(self, *arguments: Any, **options: Any) -> Any:
        """Open a connection; what the engine asks on it before its first use is bounded as well."""
        connection = await asyncpg.connect(*arguments, **options)
        timer = asyncio.get_running_loop().call_later(CONNECT_SECONDS, connection.terminate)
        self._connecting[connection] = timer
        if self._statement:
            await connection.execute(self._statement)
        return connection

    def listen(self, engine: AsyncEngine) -> None:
        event.listen(engine.sync_engine, "connect", self._connected)
        event.listen(engine.sync_engine, "begin", self._begin)
        event.listen(engine.sync_engine, "handle_error", _lost)
        for name in ("checkin", "invalidate", "close"):
            event.listen(engine.sync_engine, name, _released)

    def watch(self, driver: Any) -> asyncio.TimerHandle | None:
        """As for a transaction of the engine, for one statement that the driver sends by itself; to be cancelled."""
        seconds = self._seconds
        if seconds is None:
            return None
        return asyncio.get_running_loop().call_later(seconds, _break_off, driver, seconds)

    def _connected(self, dbapi_connection: Any, _record: Any) -> None:
        """The last listener of its kind: the driver knows the types, the connection is usable."""
        timer = self._connecting.pop(dbapi_connection.driver_connection, None)
        if timer is not None:
            timer.cancel()

    def _begin(self, connection: Connection) -> None:
        """A transaction that takes longer than its time is broken off, whatever it is waiting for.

        Cancelling the task instead would have the driver ask the silent server, on a new connection, to cancel the
        query, and wait for its answer.
        """
        _arm(connection, self._seconds)


async def take_time(work: AsyncSession | AsyncConnection, seconds: float) -> None:
    """Give this transaction `seconds` in all for its statements, locks and pauses: for what is known to take long."""
    connection = await work.connection() if isinstance(work, AsyncSession) else work
    settings = Limits(seconds, seconds, seconds).settings()
    chosen = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
    await connection.execute(text(f"SELECT {chosen}"))
    await unlimited(connection)
    _arm(connection.sync_connection, seconds + GRACE_SECONDS)


async def unlimited(connection: AsyncConnection) -> None:
    """Let the server not end this transaction as a whole."""
    await connection.execute(text(WHOLE_LIFTED))


def deadline(connection: AsyncConnection, seconds: float | None) -> None:
    """Break `connection` off in `seconds` unless it is given back before; None lets it be kept as long as it takes."""
    _arm(connection.sync_connection, seconds)


def _arm(connection: Connection | None, seconds: float | None) -> None:
    if connection is None or connection.closed:
        return
    _disarm(connection.info)
    driver = connection.connection.driver_connection
    if seconds is not None and driver is not None:
        loop = asyncio.get_running_loop()
        connection.info[_TIMER] = loop.call_later(seconds, _break_off, driver, seconds)


def _break_off(driver: Any, seconds: float) -> None:
    log.warning("transaction_broken_off", seconds=seconds)
    driver.terminate()


def _disarm(info: dict[Any, Any]) -> None:
    timer = info.pop(_TIMER, None)
    if timer is not None:
        timer.cancel()


def named(error: Exception, driver: Any) -> Exception:
    """Name a lost connection as that.

    One that is lost between the driver's own questions about types makes asyncpg trip over itself, by AttributeError.
    """
    if isinstance(error, AttributeError) and driver is not None and driver.is_closed():
        lost: Exception = asyncpg.ConnectionDoesNotExistError(
            "the connection was lost while the driver asked about types"
        )
        return lost
    return error


def _lost(context: ExceptionContext) -> None:
    connection, error = context.connection, context.original_exception
    if not isinstance(error, AttributeError) or connection is None or connection.closed or connection.invalidated:
        return
    found = named(error, connection.connection.driver_connection)
    if found is not error:
        context.is_disconnect = True
        raise found


def _released(_dbapi_connection: Any, record: Any, *_: Any) -> None:
    _disarm(record.info)


class Admission:
    """How many requests use a connection or wait for one. Past the limit they are refused at once, not after a wait.

    `reserved`: beginnings of paths that have room beyond the limit (the public board, deliveries that are sent again),
    so that those who write in crowds do not keep everybody out. `deliveries` are counted apart.
    """

    def __init__(self, served: int, waiting: int) -> None:
        self.limit = served + waiting
        self.reserved: tuple[str, ...] = ()
        self.present = 0
        self.deliveries = 0
        self._turns = asyncio.Semaphore(max(1, served // 2))
        self._reserve = max(served, waiting // 2)

    @asynccontextmanager
    async def deliver(self, patience: float) -> AsyncIterator[None]:
        """For what its sender may not send again: it waits for a turn where people would be refused.

        Half of the connections at most are used this way, so that a burst of deliveries keeps nobody out. Raises
        DatabaseUnavailable when DELIVERIES wait already, or no turn has come in `patience` seconds.
        """
        if self.deliveries >= DELIVERIES:
            raise crowded()
        self.deliveries += 1
        try:
            try:
                async with asyncio.timeout(patience):
                    await self._turns.acquire()
            except TimeoutError:
                raise crowded() from None
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self.deliveries -= 1

    def full(self, path: str) -> bool:
        return self.present >= self.limit + (self._reserve if path.startswith(self.reserved or "\0") else 0)

    @contextmanager
    def enter(self, path: str) -> Iterator[None]:
        """Raises DatabaseUnavailable when there is no room."""
        if self.full(path):
            raise crowded()
        self.present += 1
        try:
            yield
        finally:
            self.present -= 1


def crowded() -> DatabaseUnavailable:
    return DatabaseUnavailable("Too many requests at once; nothing was changed. Try again shortly.")
