"""What the database refused, and which problem that is.

The name of the violated constraint decides first (the product's table), then the SQLSTATE
(PostgreSQL manual, appendix A), then the kind of the driver's error.
"""

import errno
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
import sqlalchemy.exc

from elevate_api.kit.problems.base import Problem
from elevate_api.kit.problems.common import Conflict, DatabaseUnavailable, ValidationFailed

UNAVAILABLE = "UNAVAILABLE"
"""Stands where a SQLSTATE would when the server was never reached, the pool was exhausted or the connection broke."""


@dataclass(frozen=True, slots=True)
class DatabaseError:
    """One error of the database as the driver reported it; `message` and `detail` are for us, not for callers.

    `sqlstate` is None for faults found by the driver itself, UNAVAILABLE when the server could not be used. `context`
    names the functions that were running, the inmost first.
    """

    constraint: str | None
    sqlstate: str | None
    detail: str | None
    message: str
    table: str | None = None
    context: str | None = None


ConstraintProblems = Mapping[str, Callable[[DatabaseError], Problem]]


def describe(error: BaseException) -> DatabaseError | None:
    """Find the database's part in `error`; None when it has none."""
    for cause in _causes(error):
        if isinstance(cause, asyncpg.PostgresError):
            return _from_server(cause)
        if isinstance(cause, ValueError) and isinstance(cause, asyncpg.InterfaceError):
            return DatabaseError(None, "22000", None, str(cause))
        if isinstance(cause, asyncpg.InterfaceError | asyncpg.InternalClientError) or _is_unreachable(cause):
            return DatabaseError(None, UNAVAILABLE, None, f"{type(cause).__name__}: {cause}")
    return None


def as_problem(error: BaseException, constraints: ConstraintProblems) -> Problem | None:
    """Find the problem that answers `error`; None when it is not the database's or nobody foresaw it."""
    described = describe(error)
    return None if described is None else problem_for(described, constraints)


def problem_for(error: DatabaseError, constraints: ConstraintProblems) -> Problem | None:
    """As `as_problem`, for an error that has been described already."""
    if error.constraint is not None and error.constraint in constraints:
        return constraints[error.constraint](error)
    return _by_sqlstate(error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error`, then what SQLAlchemy and its asyncpg adapter wrapped, inmost last."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        wrapped = getattr(cause, "orig", None)
        cause = wrapped if isinstance(wrapped, BaseException) else cause.__cause__


def _from_server(error: Any) -> DatabaseError:
    return DatabaseError(
        constraint=error.constraint_name,
        sqlstate=UNAVAILABLE if isinstance(error, asyncpg.InvalidCachedStatementError) else error.sqlstate,
        detail=error.detail,
        message=str(error.message or error),
        table=error.table_name,
        context=error.context,
    )


def _is_unreachable(error: BaseException) -> bool:
    """Tell a lost or unmade connection and an exhausted pool from a file that is missing or a disk that is full."""
    if isinstance(error, sqlalchemy.exc.TimeoutError):
        return True
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        return error.connection_invalidated
    return isinstance(error, OSError) and error.filename is None and error.errno != errno.ENOSPC


def _by_sqlstate(error: DatabaseError) -> Problem | None:
    state = error.sqlstate or ""
    if state in _BUSY:
        return DatabaseUnavailable("The database is busy with the same data; nothing was changed. Try again.")
    if state == UNAVAILABLE or state in _UNAVAILABLE_STATES or state.startswith(_UNAVAILABLE_CLASSES):
        return DatabaseUnavailable()
    if state == "23503":
        return _foreign_key(error)
    if state in {"23502", "23514"} or state.startswith("22"):
        return ValidationFailed("The database refuses a value of this request.")
    if state.startswith("23") or state == "P0001":
        return Conflict()
    return None


_BUSY = frozenset({"40001", "40P01", "55P03", "57014"})  # serialisation, deadlock, lock timeout, statement timeout
# 25P03 and 25P04: the server ended a transaction that did nothing, or went on, for too long.
_UNAVAILABLE_STATES = frozenset({"25006", "25P03", "25P04", "3D000", "57P01", "57P02", "57P03", "57P04", "57P05"})
_UNAVAILABLE_CLASSES = ("08", "28", "53", "58")  # connection, authorization, resources, operating system


def _foreign_key(error: DatabaseError) -> Problem:
    if "still referenced" in f"{error.message} {error.detail}":
        return Conflict("Something else still refers to this.")
    return ValidationFailed("The request refers to something that does not exist.")
