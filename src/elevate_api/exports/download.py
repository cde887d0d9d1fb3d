"""A response that reads the database while it is sent, at the client's pace.

Memory stays flat at any size: a piece is asked of the database when the one before has left. A client that goes away,
or takes nothing for a minute, ends the query and frees its connection.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from elevate_api.exports.places import Places
from elevate_api.exports.snapshot import snapshot
from elevate_api.kit.db import Database
from elevate_api.kit.streams import STALLED_SECONDS, disconnected

PIECE = 65_536
"""Bytes gathered before they are sent: the driver hands over a row or a few at a time."""

Write = Callable[[bytes], Awaitable[None]]
Produce = Callable[[asyncpg.Connection, Write], Awaitable[None]]
"""Reads from the connection's snapshot and writes the file."""


class SnapshotDownload(Response):
    """Whatever fails before the first byte is an error answer; after it, the file ends without its end."""

    def __init__(self, database: Database, places: Places, produce: Produce, *, filename: str, media_type: str) -> None:
        headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
        super().__init__(headers=headers, media_type=media_type)
        del self.headers["content-length"]
        self._database = database
        self._places = places
        self._produce = produce

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's
        """Send until the end or until the client hangs up, whichever comes first."""
        with self._places.hold():
            sending = asyncio.create_task(self._send(_Pipe(self, send)))
            hanging_up = asyncio.create_task(disconnected(receive))
            try:
                await asyncio.wait({sending, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sending, hanging_up):
                    task.cancel()
                await asyncio.wait({sending, hanging_up})
            if not sending.cancelled():
                sending.result()  # raise what went wrong

    async def _send(self, pipe: "_Pipe") -> None:
        async with snapshot(self._database) as connection:
            await self._produce(connection, pipe.write)
        await pipe.finish()


class _Pipe:
    """From pieces to the server's messages. The answer starts with the first, so that errors before it are told."""

    def __init__(self, response: Response, send: Send) -> None:
        self._response = response
        self._send = send
        self._started = False
        self._waiting = bytearray()

    async def write(self, piece: bytes) -> None:
        self._waiting += piece
        if len(self._waiting) >= PIECE:
            await self._flush()

    async def finish(self) -> None:
        await self._flush()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _flush(self) -> None:
        if not self._started:
            self._started = True
            headers = self._response.raw_headers
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        body, self._waiting = bytes(self._waiting), bytearray()
        message: dict[str, Any] = {"type": "http.response.body", "body": body, "more_body": True}
        async with asyncio.timeout(STALLED_SECONDS):
            await self._send(message)
