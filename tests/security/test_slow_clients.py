"""Clients that take their time, say too much or say nothing, against a real server over a real socket."""

import asyncio
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
from tests.support.service import free_port

from elevate_api.cli import patience

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def answers_after_the_body(scope: Any, receive: Any, send: Any) -> None:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
async def connect(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connect]:
    """To a server whose patience is short; `serve` has the same protocol with more of it."""
    monkeypatch.setattr(patience, "HEADER_SECONDS", 0.4)
    monkeypatch.setattr(patience, "BODY_SECONDS", 0.8)
    port = free_port()
    config = uvicorn.Config(
        answers_after_the_body, port=port, http=patience.PatientProtocol, lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    yield lambda: asyncio.open_connection("127.0.0.1", port)
    server.should_exit = True
    await running


async def said(reader: asyncio.StreamReader) -> bytes:
    """Everything until the server hangs up; TimeoutError when it does not."""
    with suppress(ConnectionResetError):
        return await asyncio.wait_for(reader.read(), 10)
    return b""


@pytest.mark.parametrize(
    "beginning",
    [b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
     b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"],
)  # fmt: skip
async def test_who_does_not_go_on_is_hung_up_on(connect: Connect, beginning: bytes) -> None:
    reader, writer = await connect()
    writer.write(beginning)
    assert b"200 OK" not in await said(reader)
    writer.close()


async def test_a_byte_now_and_then_is_not_going_on(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"GET / HTTP/1.1\r\n")

    async def dribble() -> None:
        while True:
            writer.write(b"X-A: b\r\n")
            await asyncio.sleep(0.1)

    dribbling = asyncio.create_task(dribble())
    assert b"200 OK" not in await said(reader)
    dribbling.cancel()
    await asyncio.gather(dribbling, return_exceptions=True)
    writer.close()


async def test_headers_without_an_end_are_not_kept(connect: Connect) -> None:
    reader, writer = await connect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    writer.write(b"GET / HTTP/1.1\r\nX-A: ")
    with suppress(ConnectionError):
        for _ in range(200):
            writer.write(b"a" * 65_536)
            await writer.drain()
    assert b"200 OK" not in await said(reader)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000
    writer.close()


async def test_who_goes_on_is_served_again_and_again(connect: Connect) -> None:
    reader, writer = await connect()
    for _ in range(4):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")
        await asyncio.sleep(0.25)
        writer.write(b"abc")
        assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"ok"), 5)
    writer.close()
