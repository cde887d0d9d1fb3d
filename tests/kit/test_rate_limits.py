"""Limits per caller and bucket, told in headers; a broken storage stops nobody."""

import asyncio
import time

import httpx
import pytest
from fastapi import FastAPI, Request
from structlog.typing import EventDict

from elevate_api.kit import problems
from elevate_api.kit.ratelimit import BoundedMemory, Charge, RateLimiter, address_of, enforce
from elevate_api.kit.routing import before_all


def caller(request: Request) -> Charge | None:
    user = request.headers.get("x-user")
    if user == "exempt":
        return None
    bucket = "reads" if request.method == "GET" else "writes"
    return Charge(bucket, user or address_of(request.scope))


async def limited(request: Request) -> None:
    await enforce(request, caller(request))


@pytest.fixture(autouse=True)
def routes(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000_000_030.0)  # 10 s into a minute
    app.state.rate_limiter = RateLimiter({"reads": ["3/minute", "100/hour"], "writes": ["1/minute"]})

    before_all(app, limited)

    @app.get("/x")
    async def get() -> None: ...

    @app.post("/x")
    async def post() -> None:
        raise problems.Conflict


async def statuses(client: httpx.AsyncClient, method: str, user: str | None, count: int) -> list[int]:
    headers = {"X-User": user} if user else {}
    return [(await client.request(method, "/x", headers=headers)).status_code for _ in range(count)]


async def test_each_caller_has_an_account_in_each_bucket(client: httpx.AsyncClient) -> None:
    assert await statuses(client, "GET", "ada", 5) == [200, 200, 200, 429, 429]
    assert await statuses(client, "GET", "bob", 1) == [200]
    assert await statuses(client, "GET", None, 4) == [200, 200, 200, 429]
    assert await statuses(client, "POST", "ada", 2) == [409, 429]
    assert await statuses(client, "GET", "exempt", 5) == [200] * 5


async def test_every_answer_tells_where_the_caller_stands(client: httpx.AsyncClient) -> None:
    answer = await client.get("/x", headers={"X-User": "ada"})
    assert answer.headers["ratelimit-policy"] == '"reads";q=3;w=60, "reads-2";q=100;w=3600'
    assert answer.headers["ratelimit"].startswith('"reads";r=2;t=50, "reads-2";r=99;t=')
    refused = await client.post("/x", headers={"X-User": "ada"})
    assert (refused.status_code, refused.headers["ratelimit"]) == (409, '"writes";r=0;t=50')


async def test_a_refusal_says_when_to_come_back(client: httpx.AsyncClient) -> None:
    await statuses(client, "POST", "ada", 1)
    answer = await client.post("/x", headers={"X-User": "ada"})
    assert (answer.status_code, answer.json()["code"]) == (429, "RATE_LIMITED")
    assert answer.headers["retry-after"] == "50"
    assert answer.headers["ratelimit"] == '"writes";r=0;t=50'


async def test_simultaneous_requests_are_all_counted(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.get("/x", headers={"X-User": "ada"}) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [429] * 17


async def test_the_window_slides(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await statuses(client, "GET", "ada", 4) == [200, 200, 200, 429]
    monkeypatch.setattr(time, "time", lambda: 1_000_000_081.0)  # 1 s into the next minute: the last still weighs
    assert await statuses(client, "GET", "ada", 2) == [200, 429]
    monkeypatch.setattr(time, "time", lambda: 1_000_000_210.0)
    assert await statuses(client, "GET", "ada", 3) == [200] * 3


@pytest.mark.parametrize("failure", [ConnectionError("gone"), RuntimeError("odd")])
async def test_a_broken_storage_stops_nobody(
    app: FastAPI,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    logged: list[EventDict],
    failure: Exception,
) -> None:
    async def broken(*_args: object, **_kwargs: object) -> bool:
        raise failure

    monkeypatch.setattr(BoundedMemory, "acquire_sliding_window_entry", broken)
    answers = [await client.get("/x", headers={"X-User": "ada"}) for _ in range(9)]
    assert {answer.status_code for answer in answers} == {200}
    assert "ratelimit" not in answers[0].headers
    assert [line["event"] for line in logged].count("rate_limit_storage_failed") == 1


async def test_a_storage_that_hangs_is_not_waited_for(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, logged: list[EventDict]
) -> None:
    async def hang(*_args: object, **_kwargs: object) -> bool:
        await asyncio.Event().wait()
        return False

    monkeypatch.setattr(BoundedMemory, "acquire_sliding_window_entry", hang)
    monkeypatch.setattr("elevate_api.kit.ratelimit.STORAGE_PATIENCE", 0.01)
    assert await statuses(client, "GET", "ada", 1) == [200]


async def test_limits_can_be_switched_off(app: FastAPI, client: httpx.AsyncClient) -> None:
    app.state.rate_limiter = None
    assert await statuses(client, "GET", "ada", 9) == [200] * 9


async def test_a_bucket_without_rules_is_a_mistake_that_shows() -> None:
    with pytest.raises(KeyError):
        await RateLimiter({}).charge(Charge("reads", "ada"))


async def test_memory_forgets_the_longest_unseen_first() -> None:
    limiter = RateLimiter({"reads": ["2/minute"]}, max_keys=3)
    for key in ["a", "b", "c", "a", "d"]:
        await limiter.charge(Charge("reads", key))
    storage = limiter._strategy.storage
    assert isinstance(storage, BoundedMemory)
    assert len(storage._windows) == 3
    standing = await limiter.charge(Charge("reads", "a"))
    assert standing is not None
    assert standing.refused


def test_a_storage_that_is_not_there_is_refused_at_the_start() -> None:
    with pytest.raises(Exception, match="unknown storage scheme"):
        RateLimiter({}, "nonsense://")


@pytest.mark.parametrize(
    ("client_address", "account"),
    [
        (("192.0.2.7", 5), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 5), "2001:0db8:0001:0002"),
        (("2001:db8:1:2:ffff::", 5), "2001:0db8:0001:0002"),
        (("::ffff:192.0.2.7", 5), "192.0.2.7"),
        (("testclient", 5), "unknown"),
        (None, "unknown"),
    ],
)
def test_an_address_is_an_account(client_address: tuple[str, int] | None, account: str) -> None:
    assert address_of({"type": "http", "client": client_address}) == account
