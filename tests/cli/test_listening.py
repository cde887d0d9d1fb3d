"""The port: whoever knocks is let in soon, however long a turn of the event loop takes."""

import asyncio
import socket
from contextlib import ExitStack

import uvloop

from elevate_api.cli.listening import ACCEPTED_A_TURN, every_ear, listener

CROWD = 5 * ACCEPTED_A_TURN
SPARE = 10
"""Turns that the loop takes for itself."""


async def turns_until_all_are_in(sockets: list[socket.socket]) -> int:
    """Turns of the loop until the crowd that waits has been accepted."""
    loop = asyncio.get_running_loop()
    let_in: list[asyncio.BaseTransport] = []

    class Door(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            let_in.append(transport)

    servers = [await loop.create_server(Door, sock=one) for one in sockets]
    turns = 0
    while len(let_in) < CROWD and turns < 10 * CROWD:
        turns += 1
        await asyncio.sleep(0)
    for transport in let_in:
        transport.close()
    for server in servers:
        server.close()
        await server.wait_closed()
    return turns


def test_a_crowd_is_let_in_many_a_turn() -> None:
    with ExitStack() as stack, listener("127.0.0.1", 0) as taken:
        for _ in range(CROWD):
            stack.enter_context(socket.create_connection(taken.getsockname(), timeout=5))
        turns = uvloop.run(turns_until_all_are_in(every_ear(taken)))
    assert turns <= CROWD // ACCEPTED_A_TURN + SPARE
