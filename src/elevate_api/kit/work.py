"""What a request writes, in as few words with the server as its rules allow.

A call of one SQL function is a transaction by itself: sent on its own it costs one round trip, where BEGIN, the look
of the guard, the call and COMMIT cost four. `UnitOfWork` is the request's transaction in that form for as long as
nobody needs more of it; whoever does (an Idempotency-Key, a caller seen for the first time) asks for the session, and
from then on everything is one transaction as everywhere, committed once at the edge.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any, Self

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.kit.db import Database, database_of
from elevate_api.kit.metrics import after_commit

Rows = Sequence[Sequence[Any]]


class UnitOfWork:
    """The transaction of one request. Statements name their parameters $1, $2 and so on."""

    def __init__(self, database: Database | None, stack: AsyncExitStack) -> None:
        self._database = database
        self._stack = stack
        self._session: AsyncSession | None = None

    @classmethod
    def within(cls, session: AsyncSession) -> Self:
        """A part of a transaction that somebody else has begun and commits."""
        unit = cls(None, AsyncExitStack())
        unit._session = session
        return unit

    @property
    def is_open(self) -> bool:
        """Whether there is a transaction that `run` is a part of."""
        return self._session is not None

    async def session(self) -> AsyncSession:
        """The transaction, begun at the first call; committed when the request's work is done."""
        if self._session is None:
            assert self._database is not None  # noqa: S101  (only `within` has none, and a session instead)
            self._session = await self._stack.enter_async_context(self._database.session())
        return self._session

    async def run(self, statement: str, *arguments: Any) -> Rows:
        """The statement's rows: within the transaction if there is one, else committed when they are answered."""
        if self._session is None:
            assert self._database is not None  # noqa: S101  (as above)
            return await self._database.once(statement, *arguments)
        connection = await self._session.connection()
        return (await connection.exec_driver_sql(statement, arguments)).all()

    def count(self, note: Callable[[], None]) -> None:
        """Call `note` for what `run` has just written: now, or once it is committed."""
        if self._session is None:
            note()
        else:
            after_commit(self._session, note)


@asynccontextmanager
async def unit_of_work(database: Database) -> AsyncIterator[UnitOfWork]:
    """Committed when its block ends well, rolled back otherwise, but for what `run` has committed on its own."""
    async with AsyncExitStack() as stack:
        yield UnitOfWork(database, stack)


async def _of_request(request: Request) -> AsyncIterator[UnitOfWork]:
    database = database_of(request)
    with database.admission.enter(request.scope["path"]):
        async with unit_of_work(database) as unit:
            yield unit


Writes = Annotated[UnitOfWork, Depends(_of_request, scope="function")]
"""The request's unit of work: committed before the response is sent."""
