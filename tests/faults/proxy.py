"""A small proxy for TCP that cuts, truncates, stalls and delays, each at a random place in the stream of bytes."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["cut", "truncate", "stall"]
Direction = Literal["up", "down"]
Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
PIECE = 65_536


@dataclass(frozen=True, slots=True)
class Fate:
    """What befalls a connection once so many bytes have gone in that direction ("up": to the server).

    cut: both ends get a reset. truncate: the rest is dropped and both ends see an orderly end. stall: nothing moves any
    more and nobody is told, as when a router forgets the connection.
    """

    kind: Kind
    direction: Direction
    after: int


@dataclass(eq=False)
class _Link:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    fate: Fate | None
    passed: dict[Direction, int] = field(default_factory=lambda: {"up": 0, "down": 0})
    stalled: bool = False

    def end(self, *, reset: bool) -> None:
        for writer in (self.client, self.server):
            if reset:
                writer.transport.abort()
            else:
                writer.close()


class Proxy:
    """`doom` makes connections that are open, or opened later, meet a fate; `struck` counts those that did."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Future[None]] = set()
        self._doom: Callable[[], Fate | None] = lambda: None
        self.delay: Callable[[], float] = lambda: 0.0
        self.struck = 0
        self.delayed = 0
        self.port = 0

    def doom(self, fate: Callable[[], Fate | None]) -> None:
        """From now on; places count from where a connection is now."""
        self._doom = fate
        for link in self._links:
            if not link.stalled:
                link.fate = self._drawn(link)

    def _drawn(self, link: _Link) -> Fate | None:
        drawn = self._doom()
        if drawn is None:
            return None
        return Fate(drawn.kind, drawn.direction, link.passed[drawn.direction] + drawn.after)

    def heal(self) -> None:
        """No more of it. What has stalled stays so: the network does not remember."""
        self.delay = lambda: 0.0
        self.doom(lambda: None)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Proxy"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await self._dial()
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, up_writer, None)
        link.fate = self._drawn(link)
        self._links.add(link)
        try:
            await asyncio.gather(self._pump(link, "up", reader, up_writer), self._pump(link, "down", up_reader, writer))
        finally:
            self._links.discard(link)
            link.end(reset=False)

    async def _pump(
        self, link: _Link, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(PIECE):
                if pause := self.delay():
                    self.delayed += 1
                    await asyncio.sleep(pause)
                if not await self._forward(link, direction, piece, writer):
                    return
        if not link.stalled:
            writer.close()

    async def _forward(self, link: _Link, direction: Direction, piece: bytes, writer: asyncio.StreamWriter) -> bool:
        fate = link.fate
        if link.stalled:
            return True  # read and dropped
        if fate is None or fate.direction != direction or link.passed[direction] + len(piece) < fate.after:
            link.passed[direction] += len(piece)
            writer.write(piece)
            await writer.drain()
            return True
        writer.write(piece[: max(0, fate.after - link.passed[direction])])
        self.struck += 1
        link.fate = None
        if fate.kind == "stall":
            link.stalled = True
            return True
        with suppress(OSError):
            await asyncio.wait_for(writer.drain(), 1)
        await asyncio.sleep(0)
        link.end(reset=fate.kind == "cut")
        return False


def some_fate(kind: Kind, chance: random.Random, most: int, direction: Direction | None = None) -> Callable[[], Fate]:
    """Draws a place within `most` bytes from here, in either direction unless one is named."""

    def draw() -> Fate:
        chosen: Direction = direction or ("up" if chance.random() < 0.5 else "down")
        return Fate(kind, chosen, chance.randint(1, most))

    return draw
