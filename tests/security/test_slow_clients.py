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


floods: list[asyncio.Future[None]] = []
"""Done when the server knows that nobody reads."""


async def flood(receive: Any, send: Any) -> None:
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    floods.append(ended)
    await receive()
    gone = asyncio.create_task(receive())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while not gone.done():
        await send({"type": "http.response.body", "body": b"a" * 65_536, "more_body": True})
        await asyncio.sleep(0)
    ended.set_result(None)


async def answers_after_the_body(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/flood":
        await flood(receive, send)
        return
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message.get("more_body", False)
    body = b" ".join(name for name, _ in scope["headers"]) if scope["path"] == "/headers" else b"ok"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def connect(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connect]:
    """To a server whose patience is short; `serve` has the same protocol with more of it."""
    monkeypatch.setattr(patience, "HEADER_SECONDS", 0.4)
    monkeypatch.setattr(patience, "BODY_SECONDS", 0.8)
    monkeypatch.setattr(patience, "READ_SECONDS", 0.4)
    port = free_port()
    config = uvicorn.Config(
        answers_after_the_body, port=port, http=patience.PatientProtocol, ws="none", lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    yield lambda: asyncio.open_connection("127.0.0.1", port)
    server.should_exit = server.force_exit = True  # who is never hung up on fails a test, not the run
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


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"GET / HTTP/1.1\r\nX-A: ", id="headers"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: ", id="trailers"),
    ],
)
async def test_lines_without_an_end_are_not_kept(connect: Connect, start: bytes) -> None:
    reader, writer = await connect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    writer.write(start)
    with suppress(ConnectionError):
        for _ in range(400):
            writer.write(b"a" * 65_536)
            await writer.drain()
    assert b"200 OK" not in await said(reader)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
    writer.close()


async def test_who_goes_on_is_served_again_and_again(connect: Connect) -> None:
    reader, writer = await connect()
    for _ in range(4):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")
        await asyncio.sleep(0.25)
        writer.write(b"abc")
        assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"ok"), 5)
    writer.close()


ONE = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"


@pytest.mark.parametrize("more", [b"\r\n", b"POST"])
async def test_who_was_served_and_says_next_to_nothing_is_hung_up_on(connect: Connect, more: bytes) -> None:
    """An empty line between requests is allowed and starts none."""
    reader, writer = await connect()
    writer.write(ONE)
    await asyncio.wait_for(reader.readuntil(b"ok"), 5)
    writer.write(more)
    assert await said(reader) == b""
    writer.close()


async def test_who_asked_for_another_protocol_is_answered_and_hung_up_on(connect: Connect) -> None:
    """The parser reads nothing more, so nothing more may be waited for."""
    reader, writer = await connect()
    writer.write(ONE.replace(b"Host: x", b"Host: x\r\nConnection: Upgrade\r\nUpgrade: h2c"))
    await asyncio.wait_for(reader.readuntil(b"ok"), 5)
    writer.write(ONE)
    assert await said(reader) == b""
    writer.close()


@pytest.mark.parametrize("kept", [b"keep-alive", b"close"])
async def test_who_does_not_read_what_was_asked_for_is_hung_up_on(connect: Connect, kept: bytes) -> None:
    """Endless answers that nobody takes: the writer would wait for the reader for good."""
    _reader, writer = await connect()
    flood = f"GET /flood HTTP/1.1\r\nHost: x\r\nConnection: {kept.decode()}\r\n\r\n"
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(flood.encode())
    while not floods:  # noqa: ASYNC110  (begun in the server, which has no event for it)
        await asyncio.sleep(0.01)
    await asyncio.wait_for(floods.pop(), 10)
    writer.transport.abort()


async def test_trailers_are_no_headers(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(
        b"POST /headers HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"3\r\nabc\r\n0\r\nX-Forwarded-For: 10.0.0.1\r\nX-Webhook-Secret: x\r\n\r\n"
    )
    assert (await said(reader)).endswith(b"\r\n\r\nhost transfer-encoding connection")
    writer.close()
