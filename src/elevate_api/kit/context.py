"""What the running request is called, for code that has no request at hand (logs, the audit trail, problem answers)."""

from contextvars import ContextVar

from starlette.types import Scope
from structlog.contextvars import bind_contextvars

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

accept_language: ContextVar[str] = ContextVar("accept_language", default="")

USER = "kit.user"
EXTRA_HEADERS = "kit.headers"
CALLER = "kit.caller"
"""Where `kit.memory` leaves the request as it came: to be charged to whoever sent it, and for nothing else."""


def current_request_id() -> str | None:
    """Id of the request being answered in this context; None outside a request (jobs, the command line)."""
    return request_id.get()


def current_accept_language() -> str:
    """What the request being answered says of languages, as it was sent; empty outside a request."""
    return accept_language.get()


def identify(scope: Scope, user_id: str) -> None:
    """Name the caller in every log line of this request from now on."""
    scope[USER] = user_id
    bind_contextvars(user_id=user_id)


def add_header(scope: Scope, name: str, value: str) -> None:
    """Set a header on whatever answers this request, problems included."""
    scope.setdefault(EXTRA_HEADERS, {})[name.lower().encode("latin-1")] = value.encode("latin-1")


def route_template(scope: Scope) -> str | None:
    """The path of the route that was selected, with its parameters by name; None when nothing matched.

    FastAPI keeps the path with the prefixes of included routers apart from the route itself.
    """
    effective = scope.get("fastapi", {}).get("effective_route_context")
    for candidate in (effective, scope.get("route")):
        path = getattr(candidate, "path_format", None) or getattr(candidate, "path", None)
        if path:
            return str(path)
    return None
