"""Somebody with a verified token, judged by the very statement that acts for them.

A guard that reads the caller's row first costs a transaction of several round trips. The SQL functions of the hot
writes read that row themselves and answer a verdict (`migrations/sql/caller_verdict`) in their first column: authority
is still the row, at the moment of the effect. Whoever is new, or of whom the token says something new, is admitted by
`users.arrival` as everywhere, in one transaction with the effect.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.auth.claims import Claims
from elevate_api.auth.roles import Role
from elevate_api.kit.problems import Forbidden, Problem
from elevate_api.kit.work import Rows, UnitOfWork
from elevate_api.users.arrival import admit
from elevate_api.users.clerk import Directory
from elevate_api.users.errors import UserErased, UserSuspended
from elevate_api.users.hooks import UserHooks
from elevate_api.users.models import User

Said = tuple[str, datetime | None, str | None, bool, str | None, str | None]
"""caller, said_at, mail, mail_verified, picture, full_name: who calls, as statements take it."""


class Judged(Protocol):
    """What a statement answered about a caller."""

    @property
    def verdict(self) -> str: ...


J = TypeVar("J", bound=Judged)
_OK = "ok"
_REFUSALS: dict[str, type[Problem]] = {"erased": UserErased, "suspended": UserSuspended, "forbidden": Forbidden}


class Caller:
    """Who calls, and the role that the route asks for. `users.guards` makes them."""

    def __init__(self, claims: Claims, role: Role, directory: Directory, hooks: UserHooks) -> None:
        self.id = claims.sub
        self._claims = claims
        self._role = role
        self._directory = directory
        self._hooks = hooks
        self._session: AsyncSession | None = None

    async def run(self, work: UnitOfWork, statement: str, *arguments: Any) -> Rows:
        """Call a function whose first six parameters are who calls, and whose first column is the verdict about that.

        Answers the rows for a caller who may. Raises UserErased, UserSuspended or Forbidden; nothing was written then.
        """
        rows = await work.run(statement, *self._said(), *arguments)
        if rows and not _final(rows[0][0]):
            await self.admitted(work)
            rows = await work.run(statement, *self._said(), *arguments)
        _refuse(rows[0][0] if rows else _OK)
        return rows

    async def judged(self, work: UnitOfWork, ask: Callable[[Said], Awaitable[J]]) -> J:
        """As `run`, for what is asked in another way than by a statement of its own."""
        found = await ask(self._said())
        if not _final(found.verdict):
            await self.admitted(work)
            found = await ask(self._said())
        _refuse(found.verdict)
        return found

    async def admitted(self, work: UnitOfWork) -> AsyncSession:
        """The transaction of `work`, with the caller let in. Raises what `admit` does, and Forbidden."""
        session = await work.session()
        if self._session is None:
            await self._admit(session)
            self._session = session
        return session

    async def _admit(self, session: AsyncSession) -> User:
        user = await admit(session, self._claims, self._directory, self._hooks)
        if not Role(user.role).includes(self._role):
            raise Forbidden
        return user

    def _said(self) -> Said:
        """Without a time once all that has been written."""
        claims = self._claims
        said_at = None if self._session is not None else claims.issued_at
        return claims.sub, said_at, claims.email, claims.email_verified, claims.picture, claims.name


def _final(verdict: str) -> bool:
    """Whether it needs nobody to be admitted first."""
    return verdict == _OK or verdict in _REFUSALS


def _refuse(verdict: str) -> None:
    if verdict != _OK:
        raise _REFUSALS[verdict]
