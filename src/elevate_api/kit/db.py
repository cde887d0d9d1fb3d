"""The engine, connection addresses, and the one transaction that a request or a job is."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

import asyncpg
from fastapi import Depends, Request
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool

from elevate_api.kit.bounds import Admission, Bounds, Limits, named
from elevate_api.kit.problems import DatabaseError, describe

TRANSACTION_POOLER_PORT = 6543
"""Supabase's transaction pooler; port 5432 of the same host is session mode (shared/integrations.md)."""
OPEN_SECONDS = 5.0
"""For opening a connection, unless its address says otherwise (`connect_timeout`)."""
AT_HAND_SECONDS = 0.005
FOREIGN_PARAMETERS = frozenset({"pgbouncer", "connection_limit", "pool_timeout", "schema", "statement_cache_size"})
"""Query parameters that are conventions of another ORM; asyncpg would refuse them."""


class BadDatabaseUrl(ValueError):
    """The address is no PostgreSQL URL. The message carries no part of the address: it may hold a password."""


@dataclass(frozen=True, slots=True)
class Address:
    """A PostgreSQL address in the form that SQLAlchemy + asyncpg take."""

    url: URL
    transaction_pooled: bool
    connect_args: dict[str, Any] = field(default_factory=dict)
    root_certificate: str | None = None
    """The file of `sslrootcert`, for PostgreSQL's own tools; asyncpg has it in its context."""

    @classmethod
    def parse(cls, raw: str, *, pooled: bool = False) -> "Address":
        """Normalise what people paste: `postgres://`, `sslmode`, `?pgbouncer=true`.

        `pooled` forces transaction-pooler mode. Raises BadDatabaseUrl.
        """
        try:
            url = make_url(raw.strip())
        except (ArgumentError, ValueError) as error:
            raise BadDatabaseUrl("not a PostgreSQL URL") from error
        if url.get_backend_name() not in {"postgres", "postgresql"}:
            raise BadDatabaseUrl("not a PostgreSQL URL")
        query = {key: value if isinstance(value, str) else value[-1] for key, value in url.query.items()}
        flagged = query.get("pgbouncer", "").lower() in {"true", "1"} or url.port == TRANSACTION_POOLER_PORT
        query = {key: value for key, value in query.items() if key not in FOREIGN_PARAMETERS}
        root = query.get("sslrootcert")
        arguments = _connect_args(query)
        url = url.set(drivername="postgresql+asyncpg", query=query)
        return cls(url, pooled or flagged, arguments, root)

    def driver_arguments(self) -> dict[str, Any]:
        """Arguments for `asyncpg.connect`: what health probes and COPY use beside the pool."""
        host = self.url.query.get("host") or self.url.host or "localhost"
        caches = {"statement_cache_size": 0} if self.transaction_pooled else {}
        return {
            "host": host,
            "port": self.url.port or int(str(self.url.query.get("port", 5432))),
            "user": self.url.username,
            "password": self.url.password,
            "database": self.url.database,
            **self.connect_args,
            **caches,
        }

    def libpq(self) -> str:
        """The address as PostgreSQL's own tools take it (contains the password)."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)


def _connect_args(query: dict[str, str]) -> dict[str, Any]:
    """Take libpq's parameters out of `query` and say them in asyncpg's words."""
    arguments: dict[str, Any] = {}
    mode, root = query.pop("sslmode", None), query.pop("sslrootcert", None)
    if mode is not None or root is not None:
        arguments["ssl"] = _ssl(mode or "verify-full", root)
    if timeout := query.pop("connect_timeout", None):
        arguments["timeout"] = float(timeout)
    settings = {key: query.pop(key) for key in ("application_name", "options") if key in query}
    if settings:
        arguments["server_settings"] = settings
    return arguments


def _ssl(mode: str, root: str | None) -> str | ssl.SSLContext:
    if root is None:
        return mode  # asyncpg knows libpq's modes by name
    context = ssl.create_default_context(cafile=root)
    context.check_hostname = mode == "verify-full"
    return context


class Database:
    """The pool. `session()` is one transaction: committed when its block ends well, rolled back otherwise."""

    def __init__(
        self,
        address: Address,
        *,
        pool_size: int = 20,
        pool_timeout: float = 10,
        idle_timeout: float = 600,
        pooled: bool = True,
        limits: Limits | None = None,
        max_waiting: int = 1_000,
    ) -> None:
        """`limits` bound every transaction (None: as the server has them), `max_waiting` those that queue for one."""
        self.address = address
        self.pool_size = pool_size
        self.pool_timeout = pool_timeout
        self.admission = Admission(pool_size, max_waiting)
        pool: dict[str, Any] = (
            {
                "pool_size": pool_size,
                "max_overflow": 0,
                "pool_timeout": pool_timeout,
                "pool_recycle": idle_timeout,
                # The connection that was used last: its server process has plans and pages at hand.
                "pool_use_lifo": True,
            }
            if pooled
            else {"poolclass": NullPool}
        )
        self._bounds = Bounds(limits, transaction_pooled=address.transaction_pooled)
        # Behind a transaction pooler two messages without a transaction may meet two servers; what is not pooled at
        # all has a close to wait for.
        self._direct = pooled and not address.transaction_pooled
        self.error_listeners: list[Callable[[DatabaseError], None]] = []
        self.engine: AsyncEngine = create_async_engine(
            address.url,
            connect_args={**self._arguments(), "async_creator_fn": self._bounds.connect},
            hide_parameters=True,  # values of people must not reach a log by way of an error
            **pool,
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        self._bounds.listen(self.engine)
        self._at_hand = _AtHand()
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    def _arguments(self) -> dict[str, Any]:
        arguments = {"timeout": OPEN_SECONDS, **self.address.connect_args}
        if self.address.transaction_pooled:
            # The pooler gives each transaction another server connection: nothing may be remembered on one.
            arguments |= {
                "statement_cache_size": 0,
                "prepared_statement_cache_size": 0,
                "prepared_statement_name_func": str,
            }
        return arguments

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        self._at_hand.release()
        async with self._sessions.begin() as session:
            yield session

    async def once(self, statement: str, *arguments: Any) -> Sequence[Sequence[Any]]:
        """The rows of one statement that is a transaction by itself, committed when they are answered.

        Sent by the driver on a connection of the pool: one round trip, without what SQLAlchemy does around a statement
        (a third of a hot request). Parameters are named $1, $2 and so on. `error_listeners` hear what goes wrong.
        """
        if not self._direct or self.engine.sync_engine.dispatch.before_cursor_execute:  # somebody traces statements
            async with self.engine.begin() as connection:
                return (await connection.exec_driver_sql(statement, arguments)).all()
        pooled = self._at_hand.take() or await self._taken()
        deadline = self._bounds.watch(pooled.driver_connection)
        try:
            rows = await self._fetch(pooled, statement, arguments)
        except asyncio.CancelledError:
            pooled.invalidate()  # the statement may still be running there
            pooled.close()
            raise
        except BaseException:
            pooled.close()
            raise
        finally:
            if deadline is not None:
                deadline.cancel()
        if self.admission.present > self.pool_size:  # somebody waits for it
            pooled.close()
        else:
            self._at_hand.keep(pooled)
        return rows

    def report(self, error: DatabaseError) -> None:
        """Tell `error_listeners` what the engine's own events do not show."""
        for hear in self.error_listeners:
            hear(error)

    async def _taken(self) -> Any:
        """A connection of the pool. One that cannot be opened raises the driver's own error, not the dialect's."""
        try:
            return await self.engine.raw_connection()
        except Exception as error:
            if isinstance(error.__cause__, asyncpg.PostgresError | asyncpg.InterfaceError | OSError):
                raise error.__cause__ from None
            raise

    async def _fetch(self, pooled: Any, statement: str, arguments: Sequence[Any]) -> Sequence[Sequence[Any]]:
        try:
            rows: Sequence[Sequence[Any]] = await pooled.driver_connection.fetch(statement, *arguments)
        except Exception as failure:  # noqa: BLE001  (looked at and raised again)
            error = named(failure, pooled.driver_connection)
            described = describe(error)
            if described is not None:
                self.report(described)
            raise _as_sqlalchemy(error, pooled.dbapi_connection, statement) from error
        return rows

    async def dispose(self) -> None:
        self._at_hand.release()
        await self.engine.dispose()


class _AtHand:
    """Connections that `Database.once` has just used, kept for a moment for the next of its statements.

    A pool is asked in a greenlet and told in another way than it was asked: a tenth of a hot request.
    """

    def __init__(self) -> None:
        self._kept: list[Any] = []
        self._timer: asyncio.TimerHandle | None = None

    def take(self) -> Any | None:
        while self._kept:
            pooled = self._kept.pop()
            if not pooled.driver_connection.is_closed():
                return pooled
            pooled.invalidate()
            pooled.close()
        return None

    def keep(self, pooled: Any) -> None:
        self._kept.append(pooled)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(AT_HAND_SECONDS, self.release)

    def release(self) -> None:
        """Give all of them back to the pool."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._kept:
            self._kept.pop().close()


def _as_sqlalchemy(error: Exception, dbapi_connection: Any, statement: str) -> BaseException:
    """The error as the engine raises it, so that nobody has to know which way a statement went."""
    try:
        dbapi_connection._handle_exception(error)  # noqa: SLF001  (the one place where the driver's errors are named)
    except dbapi_connection.dbapi.Error as named:
        kind = dbapi_connection.dbapi.Error
        found: BaseException = DBAPIError.instance(statement, None, named, kind, hide_parameters=True)
        return found
    except Exception as foreign:  # noqa: BLE001  (what is no error of the database stays what it is)
        return foreign
    return error


def _refuse_closed(dbapi_connection: Any, _record: Any, _proxy: Any) -> None:
    """Replace a connection whose server has gone: the driver knows already, so no ping is paid for."""
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError("the server closed this connection")


def database_of(request: Request) -> Database:
    return cast("Database", request.app.state.database)


async def transaction(request: Request) -> AsyncIterator[AsyncSession]:
    """The request's transaction. Function scope: it is committed before the response is sent."""
    database = database_of(request)
    with database.admission.enter(request.scope["path"]):
        async with database.session() as session:
            request.state.session = session
            yield session


Tx = Annotated[AsyncSession, Depends(transaction, scope="function")]
