"""Routes that parse their input strictly, and once: what PostgreSQL cannot store never gets past here."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette._utils import get_route_path
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from elevate_api.kit import strict_json
from elevate_api.kit.endpoints import handler_of
from elevate_api.kit.problems import NotFound, ValidationFailed
from elevate_api.kit.problems.validation import shortened

Finish = Callable[[Response], Awaitable[None]]
Check = Callable[[], Awaitable[object]]


class Answered(Exception):
    """Raised by a dependency that has the answer already. The handler does not run; the transaction ends well."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class StrictRequest(Request):
    """A request whose JSON is read by `kit.strict_json`."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = strict_json.parse(await self.body())
        return self._json


class Route(APIRoute):
    """Checks path and query, parses JSON strictly, and lets dependencies answer early or see the finished response.

    What `before_all` names is asked first. Dependencies and handler are called by `kit.endpoints` where it can.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = handler_of(self) or super().get_route_handler()

        async def handler(request: Request) -> Response:
            refuse_unstorable(request.scope)
            strict = StrictRequest(request.scope, request.receive)
            for check in getattr(request.app.state, _CHECKS, ()):
                await check(strict)
            try:
                response = await handle(strict)
            except Answered as answered:
                return answered.response
            except RequestValidationError:
                first: Check | None = request.scope.get(_FIRST)
                if first is not None:
                    await first()
                raise
            finish: Finish | None = request.scope.get(_FINISH)
            if finish is not None:
                await finish(response)
            return response

        return handler


class Router(APIRouter):
    """An APIRouter whose routes are `Route`s, and that is passed over at once by paths which none of them can match.

    FastAPI asks route after route of one router after the other: a third of a hot request, with a hundred routes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._parts: tuple[int, list[str]] = (0, [])
        super().__init__(*args, **{"route_class": Route, **kwargs})

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        known, parts = self._parts
        if known != len(self.routes):
            parts = _shortest({_beginning(route) for route in self.routes})
            self._parts = len(self.routes), parts
        path = get_route_path(scope)
        for part in parts:
            if part in path:  # anywhere: whoever includes this router may have put a prefix before it
                return super().matches(scope)
        return Match.NONE, {}


class Shortcuts:
    """Leads requests for routes without parameters straight to them, once one of each has found its way.

    A request is matched twice with every router before its own and every route before it there. Which route that ends
    at depends on nothing but method and path, and FastAPI stays the one who decides it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._known: dict[tuple[str, str], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["root_path"]:
            await self._app(scope, receive, send)
            return
        way = scope["method"], scope["path"]
        context = self._known.get(way)
        if context is None:
            await self._app(scope, receive, send)
            self._learn(way, scope)
            return
        scope.update(
            route=context.original_route, endpoint=context.endpoint, path_params={}, fastapi={_CONTEXT: context}
        )
        await context.app(scope, receive, send)

    def _learn(self, way: tuple[str, str], scope: Scope) -> None:
        method, path = way
        context = scope.get("fastapi", {}).get(_CONTEXT)
        route = getattr(context, "original_route", None)
        if isinstance(route, Route) and context.path == path and "{" not in path and method in context.methods:
            self._known[way] = context


def _beginning(route: BaseRoute) -> str:
    """What every path of the route holds, as its beginning; nothing for what is no plain route."""
    return route.path.partition("{")[0] if isinstance(route, APIRoute) else ""


def _shortest(parts: set[str]) -> list[str]:
    """Those that hold no other of them: a path without these is without any."""
    return [part for part in parts if not any(other in part for other in parts - {part})]


def before_all(app: FastAPI, *checks: Callable[[Request], Awaitable[object]]) -> None:
    """Have every `Route` of `app` ask `checks` before its own dependencies; they raise what refuses a request.

    As dependencies of the application they would cost each request more than all of them do.
    """
    setattr(app.state, _CHECKS, checks)


def before_commit(request: Request, finish: Finish) -> None:
    """Have `finish` see the response once it is built, while the request's transaction is still open."""
    request.scope[_FINISH] = finish


def before_faults(request: Request, check: Check) -> None:
    """Have `check` raise what goes before any fault of the input: whoever may not call is not told how to."""
    request.scope[_FIRST] = check


def refuse_unstorable(scope: Scope) -> None:
    """Refuse U+0000 in the path (404) and in the query (422). Invalid UTF-8 has become U+FFFD before this."""
    if "\0" in scope["path"]:
        raise NotFound
    query: bytes = scope["query_string"]
    if b"%00" not in query and b"\0" not in query:
        return
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if "\0" in name or "\0" in value:
            raise ValidationFailed.at(shortened(f"query/{name}"), "must not contain the character U+0000")


_CHECKS = "route_checks"
_CONTEXT = "effective_route_context"  # FastAPI's name for a route as it was included
_FINISH = "kit.before_commit"
_FIRST = "kit.before_faults"
