"""Sends the head of an answer together with what follows it.

uvicorn writes head and body apart, and uvloop hands each to the system at once: two system calls for every answer, and
a client that is woken twice.
"""

from asyncio import AbstractEventLoop, Handle, Transport
from typing import Any

_HEAD = b"HTTP/1.1 "


class OneWrite:
    """A transport that keeps a head until the next write, or until the loop comes round where nothing follows."""

    __slots__ = ("_flushing", "_head", "_loop", "_transport", "is_closing")

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self._flushing: Handle | None = None
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if self._flushing is None:
            if data.startswith(_HEAD):
                self._head = data
                self._flushing = self._loop.call_soon(self._flush)
            else:
                self._transport.write(data)
            return
        self._flushing.cancel()
        self._flushing = None
        self._transport.writelines((self._head, data))

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
            self._transport.write(self._head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
