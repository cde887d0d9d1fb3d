"""What the database refuses is answered by constraint, then by SQLSTATE; nothing of it is shown."""

import errno
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx
import pytest
import sqlalchemy.exc
from fastapi import Depends, FastAPI
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from structlog.typing import EventDict

from elevate_api.kit import problems
from elevate_api.kit.problems import DatabaseError, Problem

ClientFor = Callable[[FastAPI], httpx.AsyncClient]


def server_error(sqlstate: str, **fields: str) -> Exception:
    """An error as asyncpg builds it from the server's message."""
    raw = {"C": sqlstate, "M": "secret message", "S": "ERROR", "D": fields.get("detail", "Key (email)=(a@b.example)")}
    if "constraint" in fields:
        raw["n"] = fields["constraint"]
    error = asyncpg.PostgresError.new(raw)
    assert isinstance(error, Exception)
    return error


def wrapped(error: Exception, *, invalidated: bool = False) -> Exception:
    """`error` as SQLAlchemy hands it on."""
    adapted = AsyncAdapt_asyncpg_dbapi.Error(str(error), error)  # type: ignore[no-untyped-call]
    adapted.__cause__ = error
    return sqlalchemy.exc.DBAPIError("INSERT INTO t", {"p": "secret"}, adapted, connection_invalidated=invalidated)


class HandleTaken(Problem):
    status = 409
    code = "TEST_HANDLE_TAKEN"
    title = "Taken"
    detail = "Taken."


def handle_taken(error: DatabaseError) -> Problem:
    return HandleTaken(table_rows=len(error.detail or ""))


CASES: list[tuple[Exception, int, str]] = [
    (server_error("23505", constraint="users_handle_key"), 409, "TEST_HANDLE_TAKEN"),
    (server_error("P0001", constraint="users_handle_key"), 409, "TEST_HANDLE_TAKEN"),
    (server_error("23505", constraint="another_key"), 409, "CONFLICT"),
    (server_error("23P01"), 409, "CONFLICT"),
    (server_error("P0001"), 409, "CONFLICT"),
    (server_error("23503", detail="Key (id)=(1) is not present in table x."), 422, "VALIDATION_FAILED"),
    (server_error("23503", detail="Key (id)=(1) is still referenced from table x."), 409, "CONFLICT"),
    (server_error("23514"), 422, "VALIDATION_FAILED"),
    (server_error("23502"), 422, "VALIDATION_FAILED"),
    (server_error("22003"), 422, "VALIDATION_FAILED"),
    (server_error("22021"), 422, "VALIDATION_FAILED"),
    (server_error("40001"), 503, "DATABASE_UNAVAILABLE"),
    (server_error("40P01"), 503, "DATABASE_UNAVAILABLE"),
    (server_error("55P03"), 503, "DATABASE_UNAVAILABLE"),
    (server_error("57014"), 503, "DATABASE_UNAVAILABLE"),
    (server_error("57P01"), 503, "DATABASE_UNAVAILABLE"),
    (server_error("53300"), 503, "DATABASE_UNAVAILABLE"),
    (server_error("08006"), 503, "DATABASE_UNAVAILABLE"),
    (server_error("28P01"), 503, "DATABASE_UNAVAILABLE"),
    (server_error("25006"), 503, "DATABASE_UNAVAILABLE"),
    (asyncpg.InvalidCachedStatementError("replanned"), 503, "DATABASE_UNAVAILABLE"),
    (asyncpg.InterfaceError("connection is closed"), 503, "DATABASE_UNAVAILABLE"),
    (ConnectionRefusedError(111, "refused"), 503, "DATABASE_UNAVAILABLE"),
    (OSError("Multiple exceptions: [Errno 111] refused"), 503, "DATABASE_UNAVAILABLE"),
    (TimeoutError(), 503, "DATABASE_UNAVAILABLE"),
    (sqlalchemy.exc.TimeoutError("QueuePool limit reached"), 503, "DATABASE_UNAVAILABLE"),
    (server_error("42P01"), 500, "INTERNAL_ERROR"),
    (sqlalchemy.exc.InvalidRequestError("a bug"), 500, "INTERNAL_ERROR"),
    (FileNotFoundError(errno.ENOENT, "missing", "/etc/secret"), 500, "INTERNAL_ERROR"),
    (OSError(errno.ENOSPC, "disk full"), 500, "INTERNAL_ERROR"),
]


@pytest.mark.parametrize("through_sqlalchemy", [False, True])
@pytest.mark.parametrize(("error", "status", "code"), CASES)
async def test_each_refusal_has_its_answer(
    client_for: ClientFor, error: Exception, status: int, code: str, through_sqlalchemy: bool, logged: list[EventDict]
) -> None:
    seen: list[DatabaseError] = []
    app = FastAPI()
    problems.install(app, {"users_handle_key": handle_taken}, seen.append)
    from_driver = isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError)

    @app.get("/")
    async def fail() -> None:
        raise wrapped(error) if through_sqlalchemy and from_driver else error

    answer = await client_for(app).get("/")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ("retry-after" in answer.headers) == (status == 503)
    assert "secret" not in answer.text
    assert "a@b" not in answer.text
    assert len(seen) == (1 if from_driver or status == 503 else 0)


def test_a_value_that_the_driver_refuses_is_the_callers_fault() -> None:
    error = asyncpg.exceptions._base.DataError("invalid input for query argument $1: 2**70 (out of int64 range)")
    described = problems.describe(wrapped(error))
    assert described is not None
    assert described.sqlstate == "22000"


def test_a_connection_that_broke_is_no_fault_of_the_statement() -> None:
    described = problems.describe(wrapped(server_error("XX000"), invalidated=True))
    assert described is not None
    assert described.sqlstate == problems.UNAVAILABLE
    assert isinstance(
        problems.as_problem(wrapped(server_error("XX000"), invalidated=True), {}), problems.DatabaseUnavailable
    )


def test_a_description_holds_what_a_rule_needs() -> None:
    described = problems.describe(wrapped(server_error("23505", constraint="c", detail="d")))
    assert described == DatabaseError(
        constraint="c", sqlstate="23505", detail="d", message="secret message", table=None
    )
    assert problems.describe(ValueError("no database")) is None


async def test_a_broken_counter_costs_nobody_the_answer(client_for: ClientFor, logged: list[EventDict]) -> None:
    def broken(_error: DatabaseError) -> None:
        raise RuntimeError("counter")

    app = FastAPI()
    problems.install(app, {}, broken)

    @app.get("/")
    async def fail() -> None:
        raise server_error("23505")

    assert (await client_for(app).get("/")).status_code == 409
    assert "database_error_hook_failed" in [line["event"] for line in logged]


async def test_an_error_of_the_commit_is_answered_before_the_response_is_sent(client_for: ClientFor) -> None:
    app = FastAPI()
    problems.install(app, {})

    async def transaction() -> Any:
        yield
        raise wrapped(server_error("23505"))

    @app.post("/", status_code=201, dependencies=[Depends(transaction, scope="function")])
    async def create() -> None: ...

    answer: httpx.Response = await client_for(app).post("/")
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
