"""How long a client may take to say what it wants, and how much it may say: uvicorn itself waits for ever.

A client that sends a byte now and then would hold a connection and its memory for good, thousands of them the service.
"""

from asyncio import TimerHandle, Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS = 10.0
"""From the connection, or a request's first byte on one that is kept, until its headers are complete."""
BODY_SECONDS = 120.0
"""From there to the last byte of the body: ten megabytes at a megabit a second, and some."""
HEADER_BYTES = 65_536
"""Of request line and headers together; the parser has no limit of its own."""


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol with an end to waiting. Who is too slow is hung up on, who says too much is told 400 first."""

    _timer: TimerHandle | None = None
    _in_headers = True
    _header_bytes = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait(HEADER_SECONDS)

    def data_received(self, data: bytes) -> None:
        if self._in_headers:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._in_headers and self._header_bytes > HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response("Request header too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers, self._header_bytes = True, 0
        self._wait(HEADER_SECONDS)

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._wait(BODY_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_headers, self._header_bytes = True, 0
        self._stop()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _wait(self, seconds: float) -> None:
        self._stop()
        self._timer = self.loop.call_later(seconds, self._hang_up)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hang_up(self) -> None:
        transport: Any = self.transport
        if transport is not None and not transport.is_closing():
            transport.abort()
