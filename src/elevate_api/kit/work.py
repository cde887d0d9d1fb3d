"""What a request writes, in as few words with the server as its rules allow.

A call of one SQL function is a transaction by itself: sent on its own it costs one round trip, where BEGIN, the look
of the guard, the call and COMMIT cost four. `UnitOfWork` is the request's transaction in that form for as long as
nobody needs more of it; whoever does (an Idempotency-Key, a caller seen for the first time) asks for the session, and
from then on everything is one transaction as everywhere, committed once at the edge.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Annotated, Any, Self

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.kit.db import Database, database_of
from elevate_api.kit.metrics import after_commit
from elevate_api.kit.problems import DatabaseError

Rows = Sequence[Sequence[Any]]


class UnitOfWork:
    """The transaction of one request; as a context, committed when its block ends well and rolled back otherwise, but
    for what `run` has committed on its own. Statements name their parameters $1, $2 and so on.
    """

    def __init__(self, database: Database | None, *, within: AsyncSession | None = None) -> None:
        """`within`: a part of a transaction that somebody else has begun and commits."""
        self._database = database
        self._session = within
        self._context: AbstractAsyncContextManager[AsyncSession] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._context is not None:
            await self._context.__aexit__(kind, error, trace)

    @property
    def is_open(self) -> bool:
        """Whether there is a transaction that `run` is a part of."""
        return self._session is not None

    async def session(self) -> AsyncSession:
        """The transaction, begun at the first call; committed when the request's work is done."""
        if self._session is None:
            context = self._given().session()
            self._session = await context.__aenter__()
            self._context = context
        return self._session

    async def run(self, statement: str, *arguments: Any) -> Rows:
        """The statement's rows: within the transaction if there is one, else committed when they are answered."""
        if self._session is None:
            return await self._given().once(statement, *arguments)
        connection = await self._session.connection()
        return (await connection.exec_driver_sql(statement, arguments)).all()

    def count(self, note: Callable[[], None]) -> None:
        """Call `note` for what `run` has just written: now, or once it is committed."""
        if self._session is None:
            note()
        else:
            after_commit(self._session, note)

    def report(self, error: DatabaseError) -> None:
        """Have counted what a function of the database caught and answered, as if it had been raised."""
        self._given().report(error)

    def _given(self) -> Database:
        if self._database is None:
            raise RuntimeError("a part of somebody else's transaction begins none")
        return self._database


async def unit_of_work(request: Request) -> AsyncIterator[UnitOfWork]:
    """The request's work. Function scope: it is committed before the response is sent."""
    database = database_of(request)
    with database.admission.enter(request.scope["path"]):
        async with UnitOfWork(database) as unit:
            yield unit


Writes = Annotated[UnitOfWork, Depends(unit_of_work, scope="function")]
