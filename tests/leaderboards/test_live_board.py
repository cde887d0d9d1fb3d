import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import event, text

from elevate_api.kit.db import Address, Database
from elevate_api.leaderboards import feed as feed_module
from elevate_api.leaderboards.feed import BoardFeed

Make = Callable[..., Awaitable[Any]]


class Listener:
    """A client of the stream: what it is sent, and how it hangs up."""

    def __init__(
        self, app: FastAPI, query: str = "", last_event_id: str | None = None, address: str = "127.0.0.1"
    ) -> None:
        self._app = app
        headers = [(b"last-event-id", last_event_id.encode())] if last_event_id else []
        self._scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": "/api/leaderboard/stream", "raw_path": b"/api/leaderboard/stream", "query_string": query.encode(),
            "root_path": "", "headers": headers, "client": (address, 1), "server": ("test", 80),
        }  # fmt: skip
        self._gone = asyncio.Event()
        self._arrived = asyncio.Condition()
        self.text = ""
        self.headers: dict[str, str] = {}

    async def run(self) -> None:
        await self._app(self._scope, self._receive, self._send)

    async def until(self, wanted: str, times: int = 1) -> None:
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: self.text.count(wanted) >= times)

    def hang_up(self) -> None:
        self._gone.set()

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        async with self._arrived:
            self.headers |= {k.decode(): v.decode() for k, v in message.get("headers", ())}
            self.text += message.get("body", b"").decode()
            self._arrived.notify_all()


@asynccontextmanager
async def listening(*listeners: Listener) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(listener.run()) for listener in listeners]
        try:
            yield
        finally:
            for listener in listeners:
                listener.hang_up()
        await asyncio.wait(tasks, timeout=10)


@pytest.fixture
def feed(app: FastAPI, database: Database) -> BoardFeed:
    feed: BoardFeed = BoardFeed(database, poll_seconds=0.01, heartbeat_seconds=0.05, stopping=lambda: False)
    app.state.board_feed = feed
    return feed


async def refresh(owner: Database) -> None:
    async with owner.session() as session:
        await session.execute(text("SELECT refresh_all_analytics()"))


@pytest.mark.usefixtures("feed")
async def test_a_listener_hears_of_each_board_that_is_new(
    app: FastAPI, make_entry: Make, make_user: Make, owner: Database
) -> None:
    person = await make_user()
    await make_entry(person, 20)
    await refresh(owner)
    listener = Listener(app)
    async with listening(listener):
        await listener.until("event: board")
        await refresh(owner)  # nothing changed
        await listener.until(": still here", 2)
        assert listener.text.count("event: board") == 1
        await make_entry(person, 5)
        await refresh(owner)
        await listener.until("event: board", 2)
    assert listener.headers["content-type"].startswith("text/event-stream")
    assert listener.headers["cache-control"] == "no-store"
    assert listener.text.startswith("retry: 3000\n\n")


@pytest.mark.usefixtures("feed")
async def test_who_comes_back_hears_only_what_is_new(
    app: FastAPI, client: Any, make_entry: Make, make_user: Make, owner: Database
) -> None:
    person = await make_user()
    await make_entry(person, 20)
    await refresh(owner)
    version = (await client.get("/api/leaderboard")).json()["version"]
    knows, recent = Listener(app, last_event_id=version), Listener(app, query="period=30d", last_event_id="old")
    async with listening(knows, recent):
        await knows.until(": still here", 3)
        assert "event: board" not in knows.text
        await recent.until("event: board")
        await make_entry(person, 5)
        await refresh(owner)
        await knows.until("event: board")
    newest = (await client.get("/api/leaderboard")).json()
    assert f"id: {newest['version']}\n" in knows.text
    assert f'"asOf":"{newest["asOf"]}"' in knows.text


async def test_a_thousand_listeners_cost_one_poller(
    app: FastAPI, feed: BoardFeed, client: Any, make_entry: Make, make_user: Make, owner: Database, database: Database
) -> None:
    person = await make_user()
    await make_entry(person, 20)
    await refresh(owner)
    listeners = [Listener(app) for _ in range(1000)]
    statements = 0

    def count(*_: Any) -> None:
        nonlocal statements
        statements += 1

    async with listening(*listeners):
        for listener in listeners:
            await listener.until("event: board")
        assert feed.listeners == 1000
        feed._poll_seconds = 0.2
        event.listen(database.engine.sync_engine, "before_cursor_execute", count)
        started = time.monotonic()
        await make_entry(person, 5)
        await refresh(owner)
        for listener in listeners:
            await listener.until("event: board", 2)
        took = time.monotonic() - started
        answer = await client.get("/health/live")
        assert answer.status_code == 200
        event.remove(database.engine.sync_engine, "before_cursor_execute", count)
        assert statements <= took / 0.2 + 10, "one poller, whoever listens"
        assert database.engine.pool.checkedout() <= 1  # type: ignore[attr-defined]
    assert feed.listeners == 0
    async with asyncio.timeout(20):
        await feed._poller  # type: ignore[misc]  # nobody listens: it ends by itself


async def test_streams_are_bounded_by_process_and_by_address(
    app: FastAPI, feed: BoardFeed, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream has no end: who opens one a second would have every connection by the evening."""
    monkeypatch.setattr(feed_module, "LISTENERS", 3)
    monkeypatch.setattr(feed_module, "OF_AN_ADDRESS", 2)
    first, second = Listener(app), Listener(app)
    async with listening(first, second):
        await asyncio.gather(first.until("retry"), second.until("retry"))
        refused = await client.get("/api/leaderboard/stream")  # the same address
        assert (refused.status_code, refused.json()["code"]) == (429, "RATE_LIMITED")
        elsewhere = Listener(app, address="203.0.113.7")
        async with listening(elsewhere):
            await elsewhere.until("retry")
            refused = await client.get("/api/leaderboard/stream")
            assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (503, True)
    assert (feed.listeners, feed._addresses) == (0, {})


async def test_a_database_that_is_gone_keeps_the_stream(app: FastAPI) -> None:
    nowhere = Database(Address.parse("postgresql://x@127.0.0.1:1/x"))
    app.state.board_feed = BoardFeed(nowhere, poll_seconds=0.01, heartbeat_seconds=0.03, stopping=lambda: False)
    listener = Listener(app)
    async with listening(listener):
        await listener.until(": still here", 3)
    await nowhere.dispose()


async def test_streams_end_when_the_server_stops(app: FastAPI, database: Database) -> None:
    stop = asyncio.Event()
    app.state.board_feed = BoardFeed(database, poll_seconds=0.01, stopping=stop.is_set)
    listener = Listener(app)
    running = asyncio.create_task(listener.run())
    await listener.until("event: board")
    stop.set()
    await asyncio.wait_for(running, 20)
