"""Routes that answer pages: only to the console's own requests, under a strict policy, and errors as pages too."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from elevate_api.console.assets import PATH as STATIC
from elevate_api.console.clerk import frontend_origin
from elevate_api.console.client import Api, ApiRefused
from elevate_api.console.csrf import ForeignRequest, refuse_foreign
from elevate_api.console.visits import Visit, language_of, visit_of
from elevate_api.console.words import words_of
from elevate_api.kit.problems import Problem
from elevate_api.kit.routing import Route, Router

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src {connect}; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_UNAUTHENTICATED, _ERROR = 401, 500
_WORDED = frozenset({400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 502, 503})
log = structlog.get_logger(__name__)


class PageRoute(Route):
    """Refuses what comes from elsewhere before anything is read; whatever goes wrong is answered as a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                refuse_foreign(request)
                response = await handle(request)
            except Exception as error:  # noqa: BLE001 - the one place where the console's failures become pages
                response = await _error_page(request, error)
            if not request.url.path.startswith(STATIC):
                response.headers["Content-Security-Policy"] = _policy(request)
            return response

        return handler


class PageRouter(Router):
    """Pages are no part of the contract."""

    def __init__(self) -> None:
        super().__init__(route_class=PageRoute, include_in_schema=False)


def notice(text: str, kind: str = "ok") -> str:
    """The value of an `HX-Trigger` header that shows a toast; `kind` is ok or bad."""
    return json.dumps({"notice": {"text": text, "kind": kind}})


def _policy(request: Request) -> str:
    """Connections go to this service, and to Clerk's Frontend API where that is configured: session.js."""
    clerk = frontend_origin(request.app.state.settings)
    return POLICY.format(connect="'self'" if clerk is None else f"'self' {clerk}")


async def _error_page(request: Request, error: Exception) -> Response:
    status, detail, headers = _told(error)
    visit = await _some_visit(request)
    template = "sign_in_needed.html" if status == _UNAUTHENTICATED else "error.html"
    if visit.is_fragment:
        template = "error_part.html"
    known = status if status in _WORDED else _ERROR
    response = visit.page(template, status, status=status, known=known, detail=detail)
    response.headers.update(headers)
    return response


def _told(error: Exception) -> tuple[int, str, dict[str, str]]:
    """Status, what the API said about it in the visitor's language (else empty), headers."""
    if isinstance(error, ApiRefused):
        return error.status, error.detail, {}
    if isinstance(error, Problem):
        return error.status, "", dict(error.headers)
    if isinstance(error, ForeignRequest):
        return 403, "", {}
    if isinstance(error, RequestValidationError):
        return 422, "", {}
    if isinstance(error, HTTPException):
        return error.status_code, "", dict(error.headers or {})
    log.error("console_failed", error=type(error).__name__, exc_info=error)
    return _ERROR, "", {}


async def _some_visit(request: Request) -> Visit:
    """With the viewer's name where it can be had; the page that says that the service is ill needs none."""
    try:
        return await visit_of(request)
    except Exception:  # noqa: BLE001 - whatever keeps it from being had is what the page is about
        language = language_of(request)
        return Visit(request, words_of(language), Api(request, None, language))
