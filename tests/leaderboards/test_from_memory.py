"""The board as the service answers it from memory: the same answers, sooner, and nobody's but everybody's."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text
from tests.leaderboards.programme import refresh
from tests.support.factories import Factory
from tests.support.waiting import until

from elevate_api.app import Service, create_app
from elevate_api.config import AppSettings, MemorySettings, RateLimitSettings, Settings
from elevate_api.kit.db import Database

BOARD = "/api/leaderboard"
ORIGIN = "https://app.test"
Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(
        update={
            "memory": MemorySettings.model_validate({"PUBLIC_MEMORY_MB": 1}),
            "app": AppSettings.model_validate({"ENVIRONMENT": "test", "CORS_ORIGINS": ORIGIN}),
        }
    )


@pytest.fixture
async def app(settings: Settings, database: Database) -> AsyncIterator[Service]:
    app = create_app(settings, database)
    assert isinstance(app, Service)
    app.state.board_feed._poll_seconds = 0.01
    async with app.router.lifespan_context(app):
        yield app


class Statements:
    """Whether requests reach the pool. The look at the versions has a connection of its own and is not in it."""

    def __init__(self, database: Database) -> None:
        self.count = 0
        event.listen(database.engine.sync_engine, "before_cursor_execute", self._note)

    def _note(self, *_: Any) -> None:
        self.count += 1


async def settle(client: httpx.AsyncClient, database: Database, path: str = BOARD) -> httpx.Response:
    """Ask until an answer takes no statement."""
    statements = Statements(database)

    answers: list[httpx.Response] = []

    async def from_memory() -> bool:
        before = statements.count
        answers.append(await client.get(path))
        return statements.count == before

    await until(from_memory)
    return answers[-1]


@pytest.mark.parametrize("path", [BOARD, f"{BOARD}?period=30d&limit=5", "/api/stats", "/api/activities", "/api/badges"])
async def test_the_public_reads_come_from_memory_with_the_bytes_and_headers_of_the_route(
    client: httpx.AsyncClient, database: Database, owner: Database, factory: Factory, path: str
) -> None:
    await factory.entry(await factory.user(), 50)
    await refresh(owner)
    made = await client.get(path)

    kept = await settle(client, database, path)

    own = {"x-request-id", "ratelimit", "ratelimit-policy"}
    assert (kept.status_code, kept.content) == (200, made.content)
    assert {k: v for k, v in kept.headers.items() if k not in own} == {
        k: v for k, v in made.headers.items() if k not in own
    }
    assert kept.headers["x-request-id"] != made.headers["x-request-id"]
    assert not {"ratelimit", "ratelimit-policy"} & kept.headers.keys()


async def test_a_fold_that_changes_the_board_is_seen(
    client: httpx.AsyncClient, database: Database, owner: Database, factory: Factory
) -> None:
    person = await factory.user()
    await factory.entry(person, 50)
    await refresh(owner)
    first = (await settle(client, database)).json()
    await factory.entry(person, 20)
    await refresh(owner)

    async def second() -> bool:
        board = (await client.get(BOARD)).json()
        return bool(board["version"] != first["version"] and board["items"][0]["points"] == 70)

    await until(second)


async def test_who_opts_out_is_gone_with_the_answer_to_that(
    client: httpx.AsyncClient,
    database: Database,
    owner: Database,
    factory: Factory,
    as_user: Callable[..., Awaitable[Any]],
) -> None:
    caller = await as_user()
    await factory.entry(caller.user, 50)
    await refresh(owner)
    assert [item["handle"] for item in (await settle(client, database)).json()["items"]] == [caller.user.handle]

    assert (await caller.patch("/api/me", json={"showOnLeaderboard": False})).status_code == 200

    assert (await client.get(BOARD)).json()["items"] == []


async def test_signed_in_or_not_everybody_gets_the_same_and_the_first_is_in_no_ones(
    client: httpx.AsyncClient, database: Database, bearer: Bearer
) -> None:
    signed_in = await client.get(
        BOARD, headers={**bearer("user_first"), "Cookie": "__session=x", "X-Request-ID": "r-1"}
    )
    anonymous = await settle(client, database)

    assert signed_in.status_code == 200
    assert signed_in.headers["x-request-id"] == "r-1"
    assert anonymous.content == signed_in.content
    assert "user_first" not in repr(anonymous.headers)
    assert "set-cookie" not in anonymous.headers
    async with database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM users")) == 0


@pytest.mark.parametrize("query", ["limit=0", "period=7d", "cursor=x"])
async def test_a_refusal_is_made_for_each_caller_in_their_language(client: httpx.AsyncClient, query: str) -> None:
    english = await client.get(f"{BOARD}?{query}")
    indonesian = await client.get(f"{BOARD}?{query}", headers={"Accept-Language": "id"})

    assert (english.status_code, indonesian.status_code) == (422, 422)
    assert english.json()["title"] != indonesian.json()["title"]
    assert english.json()["request_id"] != indonesian.json()["request_id"]


async def test_what_is_private_stays_with_its_route(
    client: httpx.AsyncClient, bearer: Bearer, factory: Factory
) -> None:
    one, two = await factory.user(), await factory.user()
    for person in (one, two, one):
        answer = await client.get("/api/me", headers=bearer(person.id))
        assert answer.json()["id"] == person.id
        assert answer.headers["cache-control"] == "private, no-store"
    assert (await client.get("/api/me")).status_code == 401


async def test_a_page_of_the_front_end_may_read_what_another_origin_asked_for_first(
    client: httpx.AsyncClient, database: Database
) -> None:
    strange = await client.get(BOARD, headers={"Origin": "https://evil.test"})
    plain = await settle(client, database)
    ours = await client.get(BOARD, headers={"Origin": ORIGIN})

    assert "access-control-allow-origin" not in strange.headers
    assert "access-control-allow-origin" not in plain.headers
    assert ours.headers["access-control-allow-origin"] == ORIGIN
    assert all("Origin" in answer.headers["vary"] for answer in (strange, plain, ours))


class TestLimited:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        limits = {"RATE_LIMIT_ANONYMOUS": "4/minute", "RATE_LIMIT_READS": "4/minute"}
        return settings.model_copy(update={"rate_limits": RateLimitSettings.model_validate(limits)})

    async def test_answers_from_memory_are_free_and_making_them_is_charged_to_who_asks(
        self, client: httpx.AsyncClient, bearer: Bearer
    ) -> None:
        for number in range(4):
            assert (await client.get(f"{BOARD}?limit={number + 1}", headers=bearer("user_a"))).status_code == 200
        refused = await client.get(f"{BOARD}?limit=5", headers=bearer("user_a"))
        other = await client.get(f"{BOARD}?limit=5", headers=bearer("user_b"))

        assert (refused.status_code, other.status_code) == (429, 200)
        assert [(await client.get(f"{BOARD}?limit=5")).status_code for _ in range(10)] == [200] * 10


async def test_nothing_is_answered_from_memory_once_the_versions_cannot_be_read(
    app: Service, client: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await settle(client, database)
    await app.state.board_feed.close()
    assert app.memory is not None
    monkeypatch.setattr(app.memory, "_trusted_until", float("-inf"))
    statements = Statements(database)

    await client.get(BOARD)

    assert statements.count > 0
