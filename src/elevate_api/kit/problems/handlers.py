"""One renderer, and the exception handlers that lead everything to it."""

from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import asyncpg
import sqlalchemy.exc
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic_core import PydanticSerializationError, to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from elevate_api.kit.context import current_request_id
from elevate_api.kit.i18n import current_language
from elevate_api.kit.problems import common, validation
from elevate_api.kit.problems.base import MEDIA_TYPE, Problem
from elevate_api.kit.problems.database import ConstraintProblems, DatabaseError, describe, problem_for

DatabaseErrorHook = Callable[[DatabaseError], None]
Handler = Callable[[Request, Exception], Awaitable[Response]]

SAFE_PATH = "kit.path"
"""Scope key under which the middleware leaves the path as it may be shown: secrets in it replaced."""

_MAX_INSTANCE = 256
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_BY_STATUS: dict[int, type[Problem]] = {
    401: common.Unauthenticated,
    403: common.Forbidden,
    404: common.NotFound,
    405: common.MethodNotAllowed,
    409: common.Conflict,
    413: common.BodyTooLarge,
    415: common.UnsupportedMediaType,
    422: common.ValidationFailed,
    429: common.RateLimited,
    500: common.InternalError,
}
log = structlog.get_logger(__name__)


def install(
    app: FastAPI,
    constraints: ConstraintProblems,
    on_database_error: DatabaseErrorHook | None = None,
) -> None:
    """Answer every foreseen exception of `app` as a problem; `kit.middleware.Guard` answers the unforeseen.

    `constraints` maps names of constraints to problems. `on_database_error` hears of each database error once,
    also of those that have a polite answer.
    """
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    on_database = _database_handler(constraints, on_database_error)
    for kind in (
        sqlalchemy.exc.SQLAlchemyError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
        OSError,
    ):
        app.add_exception_handler(kind, on_database)


def render(problem: Problem, scope: Scope) -> Response:
    """Build the answer for `problem`, anywhere between the middleware and the handler."""
    path = str(scope.get(SAFE_PATH) or scope.get("path", ""))[:_MAX_INSTANCE]
    instance = quote(path.encode("utf-8", "replace"), safe="/:@!$&'()*+,;=~")
    language = current_language()
    document = problem.document(instance=instance, request_id=current_request_id(), language=language)
    response = Response(_encoded(document), status_code=problem.status, media_type=MEDIA_TYPE)
    response.headers.update(problem.headers)
    response.headers["Content-Language"] = language
    response.headers.add_vary_header("Accept-Language")
    return response


def internal_error(error: BaseException, scope: Scope) -> Response:
    """Log `error` with its traceback and answer without a word of it."""
    log.error("unhandled_error", error=type(error).__name__, exc_info=error)
    return render(common.InternalError(), scope)


def _encoded(document: dict[str, Any]) -> bytes:
    try:
        return to_json(document, inf_nan_mode="null")
    except (PydanticSerializationError, ValueError):
        log.exception("problem_not_serialisable", code=document["code"])
        return to_json({name: document[name] for name in ("type", "title", "status", "code", "request_id")})


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  (what the handler is registered for)
    return render(error, request.scope)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  (as above)
    return render(validation.problem_of(error), request.scope)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  (as above)
    if isinstance(error.__cause__, Problem):  # raised while the body was read; FastAPI wraps whatever happens there
        return render(error.__cause__, request.scope)
    if error.status_code < HTTPStatus.BAD_REQUEST:
        return Response(status_code=error.status_code, headers=error.headers)
    problem = _from_http_exception(error)
    problem.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        problem.headers["Allow"] = ", ".join(_allowed_methods(request)) or (error.headers or {}).get("Allow", "")
    return render(problem, request.scope)


def _from_http_exception(error: HTTPException) -> Problem:
    if error.status_code == HTTPStatus.BAD_REQUEST:
        parsing = "parsing the body" in error.detail
        return common.MalformedJson() if parsing else common.BadRequest(error.detail)
    kind = _BY_STATUS.get(error.status_code)
    if kind is not None:
        default = HTTPStatus(error.status_code).phrase
        return kind(None if error.detail in {default, "Not Found"} else error.detail)
    return _nameless(error)


def _nameless(error: HTTPException) -> Problem:
    """Name a status that no problem class has by the standard library, which is as stable as a code of ours."""
    status = HTTPStatus(error.status_code) if error.status_code in set(HTTPStatus) else HTTPStatus.BAD_REQUEST
    problem = Problem(error.detail)
    problem.status, problem.code, problem.title = error.status_code, status.name, status.phrase
    return problem


def _allowed_methods(request: Request) -> Iterator[str]:
    """Every method the path answers: a router names only those of the first route that has the path."""
    for method in _METHODS:
        scope = {**request.scope, "method": method, "fastapi": {}}
        if any(route.matches(scope)[0] == Match.FULL for route in request.app.router.routes):
            yield method


def _database_handler(constraints: ConstraintProblems, hook: DatabaseErrorHook | None) -> Handler:
    async def on_database_error(request: Request, error: Exception) -> Response:
        described = describe(error)
        if described is None:
            return internal_error(error, request.scope)
        _tell(hook, described)
        problem = problem_for(described, constraints)
        if problem is None:
            return internal_error(error, request.scope)
        log.warning(
            "database_error",
            code=problem.code,
            sqlstate=described.sqlstate,
            constraint=described.constraint,
            table=described.table,
            message=described.message[:500],
        )
        return render(problem, request.scope)

    return on_database_error


def _tell(hook: DatabaseErrorHook | None, error: DatabaseError) -> None:
    if hook is None:
        return
    try:
        hook(error)
    except Exception:  # a broken counter must not cost the caller the answer
        log.exception("database_error_hook_failed")
