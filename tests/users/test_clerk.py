"""Asking Clerk's API who somebody is. Whatever happens there, signing in goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from tests.users.test_identity import USER

from elevate_api.config import ClerkSettings
from elevate_api.users import clerk as subject
from elevate_api.users.clerk import ClerkApi, NoDirectory, build_directory

Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
async def asked() -> AsyncIterator[Callable[..., ClerkApi]]:
    made: list[ClerkApi] = []

    def make(answer: object) -> ClerkApi:
        api = ClerkApi("https://api.clerk.test/v1/", "sk_test_1", transport=httpx.MockTransport(answer))  # type: ignore[arg-type]
        made.append(api)
        return api

    yield make
    for api in made:
        await api.aclose()


async def test_a_person_is_asked_for_with_the_secret_key(asked: Callable[..., ClerkApi]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer sk_test_1"
        assert request.url.raw_path == b"/v1/users/user_1"
        return httpx.Response(200, json=USER)

    found = await asked(answer).find("user_1")

    assert found is not None
    assert (found.email, found.name) == ("siti@b.test", "Siti Nurhaliza")


async def test_an_id_cannot_leave_its_place_in_the_path(asked: Callable[..., ClerkApi]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.raw_path == b"/v1/users/..%2Fkeys%3Fa"
        return httpx.Response(404)

    assert await asked(answer).find("../keys?a") is None


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, json={"errors": []}),
        httpx.Response(401),
        httpx.Response(429),
        httpx.Response(500),
        httpx.Response(302, headers={"Location": "https://evil.test"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={**USER, "id": "user_2"}),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(200, content=b'"' + b"x" * 300_000 + b'"'),
    ],
    ids=repr,
)
async def test_a_useless_answer_is_no_answer(asked: Callable[..., ClerkApi], answer: httpx.Response) -> None:
    assert await asked(lambda _request: answer).find("user_1") is None


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow")])
async def test_a_failure_is_no_answer(asked: Callable[..., ClerkApi], failure: Exception) -> None:
    def fail(_request: httpx.Request) -> httpx.Response:
        raise failure

    assert await asked(fail).find("user_1") is None


async def test_silence_is_given_up(asked: Callable[..., ClerkApi], monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(subject, "FETCH_SECONDS", 0.01)

    assert await asked(hang).find("user_1") is None


async def test_a_rush_goes_without_rather_than_hold_the_pool(asked: Callable[..., ClerkApi]) -> None:
    gate = asyncio.Event()

    async def answer(_request: httpx.Request) -> httpx.Response:
        await gate.wait()
        return httpx.Response(200, json=USER)

    api = asked(answer)
    waiting = [asyncio.create_task(api.find("user_1")) for _ in range(subject.MAX_AT_ONCE)]
    await asyncio.sleep(0)

    assert await api.find("user_1") is None
    gate.set()
    assert None not in await asyncio.gather(*waiting)


async def test_without_a_secret_key_nobody_is_asked() -> None:
    directory = build_directory(ClerkSettings.model_validate({}))

    assert isinstance(directory, NoDirectory)
    assert await directory.find("user_1") is None
    await directory.aclose()


async def test_with_a_secret_key_clerk_is_asked() -> None:
    directory = build_directory(ClerkSettings.model_validate({"CLERK_SECRET_KEY": "sk_test_1"}))

    assert isinstance(directory, ClerkApi)
    await directory.aclose()
