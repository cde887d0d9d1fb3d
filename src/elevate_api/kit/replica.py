"""A standby for long reads: used while it follows closely, else the primary answers."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, cast

import asyncpg
import structlog
from fastapi import Depends, Request
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.kit.db import Address, Database, Tx

LOOK_SECONDS = 5.0
"""How long a look at the standby is believed; a standby that goes away is noticed by the next read at the latest."""
PROBE_SECONDS = 2.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a look found. `lag_seconds` is None when it cannot be known; `reason` says why the standby is not used."""

    usable: bool
    lag_seconds: float | None
    reason: str | None


async def usable_replica(primary: Address, replica: Address | None, max_lag_seconds: float) -> Address | None:
    """The standby's address when it may be read from now; for commands, which look once."""
    if replica is None:
        return None
    standing = await look(primary, replica, max_lag_seconds)
    return replica if standing.usable else None


async def look(primary: Address, replica: Address, max_lag_seconds: float) -> Standing:
    """Ask both within two seconds each. It never raises for a server that is down.

    A standby that has replayed all that the primary had written before it was asked is not behind, however long ago the
    last commit was. One that has not is behind by the age of the last transaction that it replayed: a standby that
    lost its primary and has replayed all that it ever got looks well to itself, so its own word is not enough.
    """
    try:
        written = await _ask(primary, "SELECT pg_current_wal_insert_lsn()::text AS lsn")
        row = await _ask(replica, _STATE, written["lsn"])
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        return Standing(usable=False, lag_seconds=None, reason=f"{type(error).__name__}")
    if not row["standby"]:
        return Standing(usable=False, lag_seconds=None, reason="it is no standby")
    lag = 0.0 if row["caught_up"] else row["age"]
    if lag is None or lag > max_lag_seconds:
        return Standing(usable=False, lag_seconds=lag, reason="it lags")
    return Standing(usable=True, lag_seconds=float(lag), reason=None)


class ReadDatabase:
    """Chooses where long reads go. Without a standby it is the primary, and costs nothing."""

    def __init__(self, primary: Database, replica: Database | None, max_lag_seconds: float) -> None:
        self.primary = primary
        self.replica = replica
        self._max_lag_seconds = max_lag_seconds
        self._standing = Standing(usable=False, lag_seconds=None, reason="not asked yet")
        self._looked_at = -LOOK_SECONDS
        self._turn = asyncio.Lock()

    async def choose(self) -> Database:
        """The standby if it follows closely and can be reached this moment, else the primary."""
        database = await self._believed()
        if database is self.primary or await self._reachable(database):
            return database
        self._note(Standing(usable=False, lag_seconds=None, reason="it went away"))
        return self.primary

    async def _believed(self) -> Database:
        if self.replica is None:
            return self.primary
        async with self._turn:
            if time.monotonic() - self._looked_at >= LOOK_SECONDS:
                self._note(await look(self.primary.address, self.replica.address, self._max_lag_seconds))
        return self.replica if self._standing.usable else self.primary

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A read-only transaction on whichever is chosen."""
        database = await self.choose()
        async with database.session() as session:
            await session.execute(text("SET TRANSACTION READ ONLY"))
            yield session

    async def dispose(self) -> None:
        if self.replica is not None:
            await self.replica.dispose()

    async def _reachable(self, database: Database) -> bool:
        try:
            async with asyncio.timeout(PROBE_SECONDS), database.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError, TimeoutError):
            return False
        return True

    def _note(self, standing: Standing) -> None:
        if standing.usable != self._standing.usable:
            log.warning("replica", usable=standing.usable, lag_seconds=standing.lag_seconds, reason=standing.reason)
        self._standing = standing
        self._looked_at = time.monotonic()


def read_database_of(request: Request) -> ReadDatabase:
    return cast("ReadDatabase", request.app.state.read_database)


async def read_transaction(request: Request, session: Tx) -> AsyncIterator[AsyncSession]:
    """The request's own transaction where the primary answers: a second connection each could empty the pool."""
    reads = read_database_of(request)
    if await reads.choose() is reads.primary:
        yield session
        return
    async with reads.session() as replica:
        yield replica


ReadTx = Annotated[AsyncSession, Depends(read_transaction, scope="function")]
"""A transaction for reading that may be seconds behind what was written: for analytics, not for one's own data."""


async def _ask(address: Address, query: str, *arguments: object) -> asyncpg.Record:
    async with asyncio.timeout(PROBE_SECONDS):
        connection = await asyncpg.connect(**{**address.driver_arguments(), "timeout": PROBE_SECONDS})
        try:
            return await connection.fetchrow(query, *arguments)
        finally:
            connection.terminate()


_STATE = """
SELECT pg_is_in_recovery() AS standby,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() >= $1::text::pg_lsn END AS caught_up,
       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 AS age
"""
