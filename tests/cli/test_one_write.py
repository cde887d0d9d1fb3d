"""Head and body of an answer leave together; what nothing follows leaves by itself."""

import asyncio
from collections.abc import Iterable

import pytest

from elevate_api.cli.one_write import OneWrite

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire(asyncio.Transport):
    """Keeps what each call of the system would have sent."""

    def __init__(self) -> None:
        super().__init__({"peername": ("10.0.0.1", 1)})
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.sent.append(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def transport(wire: Wire) -> OneWrite:
    return OneWrite(wire, asyncio.get_running_loop())


async def test_a_head_leaves_with_its_body(wire: Wire, transport: OneWrite) -> None:
    transport.write(HEAD)
    transport.write(b"ok")
    await asyncio.sleep(0)
    assert wire.sent == [HEAD + b"ok"]


async def test_an_answer_without_a_body_leaves_at_once(wire: Wire, transport: OneWrite) -> None:
    transport.write(HEAD)
    transport.write(b"")
    assert wire.sent == [HEAD]


async def test_a_stream_that_has_nothing_to_say_yet_shows_its_head(wire: Wire, transport: OneWrite) -> None:
    transport.write(HEAD)
    await asyncio.sleep(0)
    assert wire.sent == [HEAD]
    transport.write(b"chunk")
    assert wire.sent == [HEAD, b"chunk"]


async def test_two_heads_keep_their_order(wire: Wire, transport: OneWrite) -> None:
    transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    transport.write(HEAD)
    transport.write(b"ok")
    assert b"".join(wire.sent) == b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"ok"


async def test_what_is_kept_leaves_before_the_connection_ends(wire: Wire, transport: OneWrite) -> None:
    transport.write(HEAD)
    transport.close()
    assert wire.sent == [HEAD]
    assert transport.is_closing()


async def test_everything_else_is_the_transport(transport: OneWrite) -> None:
    assert transport.get_extra_info("peername") == ("10.0.0.1", 1)
