"""Where uvicorn trusts the client: how long it may take, how much it may say, and how what is no HTTP is refused.

A client that sends a byte now and then, or does not read what it asked for, would hold a connection and its memory for
good, thousands of them the service.
"""

from asyncio import TimerHandle, Transport
from typing import Any

import structlog
import uuid_utils
from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from elevate_api.cli.one_write import OneWrite
from elevate_api.kit.problems import MEDIA_TYPE, BadRequest

HEADER_SECONDS = 10.0
"""From the connection, or a request's first byte on one that is kept, until its headers are complete."""
BODY_SECONDS = 120.0
"""From there to the last byte of the body: ten megabytes at a megabit a second, and some."""
READ_SECONDS = 60.0
"""For the client to take what waits for it, 64 KiB at most; an event stream or an export may last, but must flow."""
HEADER_BYTES = 65_536
"""Of request line and headers together, each line counted with what it costs here."""
LINE = 32
"""As HTTP/2 counts (RFC 9113 section 6.5.2)."""
PIPELINED = 16
"""Requests that wait for the answer to the one before; the parser would make thousands out of one read."""
VERSIONS = frozenset({"1.0", "1.1"})
SINGLE = (b"host", b"authorization", b"content-type")
"""Twice, and a proxy in front may have looked at the other one."""

MALFORMED = "Invalid HTTP request received."
"""uvicorn's own words for whatever its parser does not take."""
log = structlog.get_logger("elevate_api.access")


class Refused(Exception):
    """Ends the parser's work; the sentence is the detail of the answer."""


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol with an end to waiting. Who is too slow is hung up on, who says too much is told 400 first.

    A refusal stands only where an answer is due: never inside the answer to the same request, and after those to the
    requests before it.
    """

    _timer: TimerHandle | None = None
    _stalled: TimerHandle | None = None
    _in_body = False
    _idle_bytes = 0
    """Since the last that was of use: headers and trailers without an end grow in the parser, which has no limit."""
    _reason: str | None = None
    _refused: str | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(OneWrite(transport, self.loop))  # type: ignore[arg-type]  # as much of one as is used
        self._wait(HEADER_SECONDS)

    def data_received(self, data: bytes) -> None:
        if self._refused is not None or self.transport.is_closing():
            return
        self._idle_bytes += len(data)
        super().data_received(data)
        if self._idle_bytes > HEADER_BYTES and self._refused is None and not self.transport.is_closing():
            self.send_400_response("Request header too large.")
        self._see_that_it_ends()

    def _see_that_it_ends(self) -> None:
        """An empty line before the next request is no request, yet has uvicorn forget that it waits for one."""
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self._timer is None and self.timeout_keep_alive_task is None and self.transport is not None:
            self._wait(HEADER_SECONDS)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait(HEADER_SECONDS)

    def on_headers_complete(self) -> None:
        self._refuse_oddities()
        self._idle_bytes = 0
        self._wait(BODY_SECONDS)
        super().on_headers_complete()
        self._in_body = True
        self.headers = []  # trailers go here and nowhere: uvicorn would add them to the headers, past every proxy

    def on_body(self, body: bytes) -> None:
        self._idle_bytes = 0
        super().on_body(body)

    def _refuse_oddities(self) -> None:
        """RFC 9112 sections 2.3 and 3.2, and what would let one client take more than its share."""
        names = [name for name, _ in self.headers]
        version = self.parser.get_http_version()
        if version not in VERSIONS:
            self._refuse("Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        if version == "1.1" and b"host" not in names:
            self._refuse("The Host header is missing.")
        for name in SINGLE:
            if names.count(name) > 1:
                self._refuse(f"There is more than one {name.decode().title()} header.")
        if len(self.url) + sum(len(name) + len(value) + LINE for name, value in self.headers) > HEADER_BYTES:
            self._refuse("Request header too large.")
        if len(self.pipeline) >= PIPELINED:
            self._refuse("Too many requests wait on this connection.")

    def _refuse(self, reason: str) -> None:
        self._reason = reason
        raise Refused(reason)

    def on_message_complete(self) -> None:
        self._in_body, self._idle_bytes = False, 0
        self._stop()
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """The parser reads nothing after a request that asks for another protocol: it is answered, and that is all."""
        if self.cycle is not None:
            self.cycle.keep_alive = False

    # --- refusals -----------------------------------------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        self._refused = self._reason or msg
        cycle = self.cycle
        if self._in_body and (cycle.response_started or cycle in (one for one, _ in self.pipeline)):
            self._drop(cycle)
        elif self._in_body:
            cycle.disconnected = True  # nobody waits for its answer: this one is
            cycle.message_event.set()
            self._say_refusal()
        elif cycle is None or cycle.response_complete:
            self._say_refusal()
        # else: when the requests before have their answers

    def _drop(self, cycle: Any) -> None:
        """The body broke off after the answer had begun, or before its turn came."""
        waiting = [(one, app) for one, app in self.pipeline if one is not cycle]
        if len(waiting) < len(self.pipeline):
            self.pipeline.clear()
            self.pipeline.extend(waiting)
            return
        cycle.disconnected = not cycle.response_complete
        cycle.message_event.set()
        self._close()

    def on_response_complete(self) -> None:
        last = not self.pipeline
        super().on_response_complete()
        if self._refused is not None and last and not self.transport.is_closing():
            self._say_refusal()
        elif self.transport.is_closing():
            self._wait(READ_SECONDS)

    def _say_refusal(self) -> None:
        request_id = uuid_utils.uuid7().hex
        log.info("request_refused", request_id=request_id, reason=self._refused)
        document = BadRequest(self._refused).document(request_id=request_id)
        self.transport.write(_answer(to_json(document), request_id))
        self._close()

    # --- ends ---------------------------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self._stalled or self.loop.call_later(READ_SECONDS, self._hang_up)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._flows()

    def _flows(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._wait(READ_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        self._flows()
        super().connection_lost(exc)

    def _close(self) -> None:
        self.transport.close()
        self._wait(READ_SECONDS)

    def _wait(self, seconds: float) -> None:
        self._stop()
        self._timer = self.loop.call_later(seconds, self._hang_up)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hang_up(self) -> None:
        """At once, also where a polite end waits for a client that does not read."""
        transport: Any = self.transport
        if transport is not None:
            transport.abort()


def _answer(body: bytes, request_id: str) -> bytes:
    lines = (
        "HTTP/1.1 400 Bad Request",
        f"content-type: {MEDIA_TYPE}",
        f"content-length: {len(body)}",
        "content-language: en",
        f"x-request-id: {request_id}",
        "x-content-type-options: nosniff",
        "cache-control: private, no-store",
        "connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode("ascii") + body
