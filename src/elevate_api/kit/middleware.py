"""The layers around the application, pure ASGI.

Outermost first: `RequestContext` (id, access log, headers), CORS, `Guard` (body limit, media type, last resort),
`Shedding` (refuses while too many wait). Both stand inside CORS, so that every refusal can be read by the front end.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog
import uuid_utils
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, unbind_contextvars

from elevate_api.kit import context
from elevate_api.kit.bounds import Admission, crowded
from elevate_api.kit.i18n import phrase
from elevate_api.kit.problems import SAFE_PATH, BodyTooLarge, Problem, UnsupportedMediaType, internal_error, render

MEBIBYTE = 1024 * 1024
Observe = Callable[[str, str, int, float], None]
"""Hears of each answer: method, route template (or "unmatched"), status, seconds."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_JSON = re.compile(rb"application/(json|[\w.+-]+\+json) *(; *charset=\"?utf-?8\"? *)?", re.IGNORECASE)
_HIDDEN = "***"

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"private, no-store"),
)
_HSTS = (b"strict-transport-security", b"max-age=31536000")
_POLICY = b"content-security-policy"
_POLICY_STRICT = (_POLICY, b"default-src 'none'; frame-ancestors 'none'")  # a page names its own sources
log = structlog.get_logger("elevate_api.access")


class RequestContext:
    """Names the request, logs its end, and completes the headers of every answer.

    `secret_after`: whatever follows one of these in a path, however written, is a secret and is shown nowhere.
    `quiet`: path prefixes (health checks, metrics) that are logged at level debug when they succeed.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hsts: bool = False,
        secret_after: Sequence[str] = (),
        quiet: Sequence[str] = (),
        observe: Observe | None = None,
    ) -> None:
        self._app = app
        self._headers = (*_HEADERS, _HSTS) if hsts else _HEADERS
        self._secret_after = _marker(secret_after)
        self._quiet = tuple(quiet)
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send, self._headers)
        scope[SAFE_PATH] = self._safe_path(scope["path"])
        token = context.request_id.set(exchange.request_id)
        language = context.accept_language.set(_accept_language(scope))
        bind_contextvars(request_id=exchange.request_id)
        try:
            await self._app(scope, receive, exchange.send)
        finally:
            self._record(exchange)
            unbind_contextvars("request_id", "user_id")
            context.accept_language.reset(language)
            context.request_id.reset(token)

    def _safe_path(self, path: str) -> str:
        marker = self._secret_after.search(path)
        return path if marker is None else path[: marker.end()] + _HIDDEN

    def _record(self, exchange: "_Exchange") -> None:
        scope, seconds = exchange.scope, time.perf_counter() - exchange.started
        template = context.route_template(scope)
        if self._observe is not None:
            self._observe(scope["method"], template or "unmatched", exchange.status, seconds)
        write = log.warning if exchange.status >= 500 else log.info  # noqa: PLR2004  (server errors)
        if exchange.status < 400 and scope["path"].startswith(self._quiet):  # noqa: PLR2004  (success)
            write = log.debug
        write(
            "request",
            method=scope["method"],
            path=scope[SAFE_PATH],
            route=template,
            status=exchange.status,
            duration_ms=round(seconds * 1000, 2),
            user_id=scope.get(context.USER),
        )


def _marker(texts: Sequence[str]) -> re.Pattern[str]:
    """Find any of `texts`, whatever its case and however often its slashes are doubled."""
    patterns = [re.escape(text).replace("/", "/+") for text in texts]
    return re.compile("|".join(patterns) or r"(?!)", re.IGNORECASE)


class _Exchange:
    """One request and what was answered. Status 499 (nginx: client closed) stands until an answer starts."""

    def __init__(self, scope: Scope, send: Send, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.scope = scope
        self.started = time.perf_counter()
        self.status = 499
        self.request_id = _request_id(scope)
        self._send = send
        self._defaults = headers

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._completed(message.get("headers", ()))
        await self._send(message)

    def _completed(self, given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        own = {b"x-request-id": self.request_id.encode("latin-1"), **self.scope.get(context.EXTRA_HEADERS, {})}
        headers = [(name, value) for name, value in given if name not in own]
        present = dict(headers)
        headers.extend(own.items())
        headers.extend(header for header in self._defaults if header[0] not in present)
        if _POLICY not in present:
            headers.append(_POLICY_STRICT)
        return headers


def _request_id(scope: Scope) -> str:
    given = _header(scope, b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode("ascii")
    return uuid_utils.uuid7().hex


def _accept_language(scope: Scope) -> str:
    """The lines of the header as one (RFC 9110 section 5.3)."""
    return b",".join(value for name, value in scope["headers"] if name == b"accept-language").decode("latin-1")


@dataclass(frozen=True, slots=True)
class Limits:
    """Longest bodies in bytes: `default`, and `paths` by path prefix (the longest prefix decides)."""

    default: int = MEBIBYTE
    paths: Mapping[str, int] | None = None

    def of(self, path: str) -> int:
        prefixes = [prefix for prefix in self.paths or {} if path.startswith(prefix)]
        return (self.paths or {})[max(prefixes, key=len)] if prefixes else self.default


class Guard:
    """Refuses bodies that are too long or not JSON, and answers whatever nobody else did with a 500.

    `any_media_type`: path prefixes whose routes read the raw body whatever it claims to be (webhooks).
    """

    def __init__(self, app: ASGIApp, *, limits: Limits | None = None, any_media_type: Sequence[str] = ()) -> None:
        self._app = app
        self._limits = limits or Limits()
        self._any_media_type = tuple(any_media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def tracking_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            limit = self._limits.of(scope["path"])
            self._check(scope, limit)
            await self._app(scope, _counted(receive, limit), tracking_send)
        except ClientDisconnect:  # in the middle of the body: nobody is there to be answered, and nothing is broken
            return
        except Exception as error:
            if started:  # too late for an answer: the server must break the connection off
                raise
            answer = render(error, scope) if isinstance(error, Problem) else internal_error(error, scope)
            await answer(scope, receive, send)

    def _check(self, scope: Scope, limit: int) -> None:
        length = _header(scope, b"content-length")
        if length is not None and length.isdigit() and _exceeds(length, limit):
            raise _too_large(limit)
        if scope["method"] not in _BODY_METHODS or scope["path"].startswith(self._any_media_type):
            return
        has_body = length not in {None, b"0"} or _header(scope, b"transfer-encoding") is not None
        if has_body and not _JSON.fullmatch(_header(scope, b"content-type") or b""):
            raise UnsupportedMediaType


class Shedding:
    """Refuses a request while too many wait for the database, before anything is spent on it.

    Nobody is counted here: who is slow to send a body, or reads an event stream for hours, holds no place.
    `never`: path prefixes that are always let through.
    """

    def __init__(self, app: ASGIApp, *, admission: Admission, never: Sequence[str] = ()) -> None:
        self._app = app
        self._admission = admission
        self._never = tuple(never)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = scope["type"] == "http" and self._admission.full(scope["path"])
        if refused and not scope["path"].startswith(self._never):
            await render(crowded(), scope)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _counted(receive: Receive, limit: int) -> Receive:
    """Count what really arrives: a chunked body announces no length."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise _too_large(limit)
        return message

    return counted


def _too_large(limit: int) -> BodyTooLarge:
    detail = phrase("The body is longer than the {limit} bytes that this path accepts.", limit=limit)
    return BodyTooLarge(detail, limit_bytes=limit)


def _exceeds(length: bytes, limit: int) -> bool:
    digits = length.lstrip(b"0") or b"0"
    return len(digits) > len(str(limit)) or int(digits) > limit


def _header(scope: Scope, name: bytes) -> bytes | None:
    value: bytes
    for key, value in scope["headers"]:
        if key == name:
            return value
    return None
