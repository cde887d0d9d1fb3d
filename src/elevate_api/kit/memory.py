"""Public answers kept in memory as bytes, pure ASGI, in front of everything else.

What is kept was made without whoever asked first: the request that makes it carries nothing of theirs but the target,
the language and an allowed origin. So nothing of one caller can reach another, whatever a route does with its request.
Answers from here are free of the rate limit and carry none of its headers; making one is charged as ever.
"""

import asyncio
import re
from collections.abc import Callable, Collection, Hashable, Mapping
from itertools import count
from time import monotonic

import uuid_utils
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from elevate_api.kit import context
from elevate_api.kit.etag import matches
from elevate_api.kit.recording import BODY, START, Recorder
from elevate_api.kit.shelves import Answer, Shelves, Tally

LIFETIME_SECONDS = 5.0
"""Longest that an answer is kept, for what changes it and no version tells of."""
TRUST_SECONDS = 3.0
"""How long what the last look at the versions found is believed; then every answer is made anew."""
MAX_TARGET = 1024
_MADE_WITH = frozenset({b"accept-language", b"x-request-id", b"traceparent", b"tracestate", b"user-agent"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")  # as kit.middleware takes it over
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Memory:
    """Answers GET of `paths` from memory, and makes each answer once however many ask for it meanwhile.

    `confirm` is told the version of what the answers are made from: a new one forgets them all, and without a word
    for TRUST_SECONDS nothing is answered from memory. `wake` is called when an answer has to be made: whoever looks
    at versions only while somebody asks begins to. `account` hears now and then how many were answered from
    memory, by path and status. A write to one of `forget_after` (path prefixes) in this process
    forgets too, before its answer is sent. `origins` are those that browsers may call from.
    """

    def __init__(
        self,
        paths: Collection[str],
        *,
        max_bytes: int,
        origins: Collection[str] = (),
        forget_after: Collection[str] = (),
        wake: Callable[[], None] = lambda: None,
        account: Callable[[Mapping[tuple[str, int], int]], None] = lambda _: None,
        lifetime_seconds: float = LIFETIME_SECONDS,
    ) -> None:
        self._paths = frozenset(paths)
        self._origins = {origin.encode("latin-1"): origin for origin in origins}
        self._forget_after = tuple(forget_after)
        self._wake = wake
        self._account = account
        self._lifetime = lifetime_seconds
        self._shelves = Shelves(max_bytes)
        self._flights: dict[Hashable, asyncio.Future[Answer | None]] = {}
        self._generation = 0
        self._version: object = None
        self._trusted_until = float("-inf")
        self._tallies = {path: Tally() for path in paths}
        self._numbers = count()
        self._prefix = _new_prefix()

    def confirm(self, version: object) -> None:
        """Hear that `version` is the one now."""
        if version != self._version:
            self.forget()
            self._version = version
        self._trusted_until = monotonic() + TRUST_SECONDS
        self._settle()

    def forget(self) -> None:
        """Make everything anew, what is being made this moment included."""
        self._generation += 1
        self._prefix = _new_prefix()
        self._shelves.clear()
        self._flights.clear()

    def _settle(self) -> None:
        for path, tally in self._tallies.items():
            served = {(path, 200): tally.whole, (path, 304): tally.unmodified}
            tally.whole = tally.unmodified = 0
            self._account({what: number for what, number in served.items() if number})

    @property
    def size(self) -> int:
        return self._shelves.size

    def find(self, scope: Scope) -> tuple[Message, Message] | None:
        """The two messages that answer a request from memory, if it can be. Hot: what it spares is its whole point."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in self._paths:
            return None
        headers = dict(scope["headers"])
        origin = self._origin(headers) if b"origin" in headers else b""
        answer = self._shelves.get((scope["path"], scope["query_string"], origin))
        if answer is None:
            return None
        now = monotonic()
        if now >= answer.expires_at or now >= self._trusted_until:
            return None
        return self._messages(answer, headers, answer.tally)

    async def make(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Have `app` answer, and keep what may be kept."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in self._paths:
            await app(scope, receive, self._watching(scope, send))
            return
        self._wake()
        key = (scope["path"], scope["query_string"], self._origin(dict(scope["headers"])))
        flight = self._flights.get(key)
        answer: Answer | None = None
        if flight is not None:
            answer = await asyncio.shield(flight)
        elif len(key[1]) <= MAX_TARGET:
            await self._lead(app, key, scope, receive, send)
            return
        if answer is None:  # what cannot be kept is each caller's own, and nobody waits for another's
            await app(_without_caller(scope, key[2]), receive, send)
        else:
            await _send_all(self._messages(answer, dict(scope["headers"]), answer.tally), send)

    def _origin(self, headers: Mapping[bytes, bytes]) -> bytes:
        """The origin that an answer is made for: one of those allowed, else none."""
        origin = headers.get(b"origin")
        return origin if origin is not None and origin in self._origins else b""

    def _watching(self, scope: Scope, send: Send) -> Send:
        """Forget when a write succeeds that may show in an answer, before whoever wrote can ask again."""
        if scope["type"] != "http" or scope["method"] in _SAFE or not scope["path"].startswith(self._forget_after):
            return send

        async def watching(message: Message) -> None:
            if message["type"] == START and message["status"] < 400:  # noqa: PLR2004  (success)
                self.forget()
            await send(message)

        return watching

    def _messages(self, answer: Answer, headers: Mapping[bytes, bytes], tally: Tally) -> tuple[Message, Message]:
        """Ids of requests are like those of `kit.middleware` at a third of the price: counted on from a UUIDv7."""
        request_id = headers.get(b"x-request-id")
        if request_id is None or not _REQUEST_ID.fullmatch(request_id):
            request_id = b"%b%012x" % (self._prefix, next(self._numbers))
        known = headers.get(b"if-none-match")
        if known is not None and (known == answer.etag or matches(known.decode("latin-1"), answer.etag.decode())):
            tally.unmodified += 1
            named = [*answer.headers_unmodified, (b"x-request-id", request_id)]
            return {"type": START, "status": 304, "headers": named}, _NO_BODY
        tally.whole += 1
        return {"type": START, "status": 200, "headers": [*answer.headers, (b"x-request-id", request_id)]}, answer.body

    async def _lead(
        self, app: ASGIApp, key: tuple[str, bytes, bytes], scope: Scope, receive: Receive, send: Send
    ) -> None:
        generation = self._generation
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        recorder = Recorder(send, key, self._lifetime, self._tallies[key[0]])
        try:
            await app(_without_caller(scope, key[2]), receive, recorder)
            if recorder.answer is not None and generation == self._generation:
                self._shelves.put(key, recorder.answer)
        finally:
            if self._flights.get(key) is flight:
                del self._flights[key]
            if not flight.done():
                flight.set_result(recorder.answer)
        if recorder.answer is not None:
            named = {**dict(scope["headers"]), b"x-request-id": recorder.request_id}
            await _send_all(self._messages(recorder.answer, named, Tally()), send)  # logged and counted on its way


async def _send_all(messages: tuple[Message, Message], send: Send) -> None:
    await send(messages[0])
    await send(messages[1])


def _without_caller(scope: Scope, origin: bytes) -> Scope:
    """The request without what tells one caller from another. Who it is charged to is looked up in the original."""
    headers = [header for header in scope["headers"] if header[0] in _MADE_WITH]
    if origin:
        headers.append((b"origin", origin))
    return {**scope, "headers": headers, "client": None, "state": {}, context.CALLER: scope}


def _new_prefix() -> bytes:
    return uuid_utils.uuid7().hex[:20].encode("ascii")


_NO_BODY = {"type": BODY, "body": b""}
