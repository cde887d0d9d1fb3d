"""Signing in and out, and what keeps other sites out, without a browser."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from tests.console.browser import Browser
from tests.console.console import Console
from tests.support.cluster import OWNER, SERVICE, Cluster
from tests.support.service import Service, running_service

from elevate_api.api import CONSOLE_ROUTERS
from elevate_api.app import create_app
from elevate_api.auth import devkeys
from elevate_api.config import AppSettings, ClerkSettings, ConsoleSettings, EmbeddedSettings, Settings
from elevate_api.console.client import together
from elevate_api.kit.db import Database

OWN = {"X-Console": "1", "Sec-Fetch-Site": "same-origin"}
MakeUser = Callable[..., Awaitable[Any]]


@pytest.fixture
def development(settings: Settings, tmp_path: Path) -> Settings:
    groups = {
        "clerk": ClerkSettings.model_validate({}),
        "embedded": EmbeddedSettings.model_validate({"ELEVATE_DATA_DIR": str(tmp_path)}),
    }
    return settings.model_copy(update=groups)


@pytest.fixture
async def door(development: Settings, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(development, database)) as client:
        yield client


def client_of(app: FastAPI, user_id: str | None = None) -> httpx.AsyncClient:
    cookies = {"__session": Console.session(user_id)} if user_id else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console.test", cookies=cookies)


async def test_a_development_link_signs_in_and_sign_out_ends_it(
    door: httpx.AsyncClient, development: Settings, make_user: MakeUser
) -> None:
    reviewer = await make_user(role="REVIEWER", name="Ratna")
    token = devkeys.issue_token(development, {"sub": reviewer.id})
    answer = await door.post("/console/sign-in", data={"token": token}, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/review")
    assert re.fullmatch(r"__session=\S+; HttpOnly; Max-Age=28800; Path=/; SameSite=lax", answer.headers["set-cookie"])
    assert "Ratna" in (await door.get("/console/board")).text
    answer = await door.post("/console/sign-out", headers=OWN)
    assert answer.headers["location"] == "/console/sign-in"
    assert "Ratna" not in (await door.get("/console/board")).text


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "x" * 10_000])
async def test_a_bad_link_signs_nobody_in(door: httpx.AsyncClient, token: str) -> None:
    answer = await door.post("/console/sign-in", data={"token": token}, headers=OWN)
    assert (answer.status_code, "set-cookie" in answer.headers) == (422, False)


async def test_where_clerk_signs_in_there_is_no_other_door(app: FastAPI, make_user: MakeUser) -> None:
    user = await make_user()
    async with client_of(app) as client:
        answer = await client.post("/console/sign-in", data={"token": Console.session(user.id)}, headers=OWN)
        assert (answer.status_code, "set-cookie" in answer.headers) == (404, False)
        assert "sign_in.js" not in (await client.get("/console/sign-in")).text


async def test_the_sign_in_page_leads_to_clerk_and_back(settings: Settings, database: Database) -> None:
    groups = {
        "console": ConsoleSettings.model_validate({"CONSOLE_SIGN_IN_URL": "https://accounts.leaps.test/sign-in"}),
        "app": AppSettings.model_validate({"ENVIRONMENT": "test", "API_URL": "https://api.leaps.test"}),
    }
    async with client_of(create_app(settings.model_copy(update=groups), database)) as client:
        page = (await client.get("/console/sign-in?to=/console/review?activity=LEARN")).text
    back = "https%3A%2F%2Fapi.leaps.test%2Fconsole%2Freview%3Factivity%3DLEARN"
    assert f"https://accounts.leaps.test/sign-in?redirect_url={back}" in page


@pytest.mark.parametrize("to", ["https://evil.test/", "//evil.test", "/console//evil.test", "/api/me", "javascript:1"])
async def test_no_link_leads_elsewhere(door: httpx.AsyncClient, to: str) -> None:
    answer = await door.get("/console/language/id", params={"to": to})
    assert answer.headers["location"] == "/console/board"
    assert "evil" not in (await door.get("/console/sign-in", params={"to": to})).text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Console": "1"},
        {"Sec-Fetch-Site": "same-origin"},
        {"X-Console": "1", "Sec-Fetch-Site": "cross-site"},
        {"X-Console": "1", "Sec-Fetch-Site": "same-site"},
        {"X-Console": "1", "Sec-Fetch-Site": "none"},
        {"X-Console": "1", "Origin": "https://evil.test"},
        {"X-Console": "1", "Sec-Fetch-Site": "cross-site", "Origin": "http://console.test"},
    ],
)
async def test_a_request_from_elsewhere_changes_nothing(
    app: FastAPI, make_user: MakeUser, headers: dict[str, str]
) -> None:
    user = await make_user()
    async with client_of(app, user.id) as client:
        answer = await client.post("/console/sign-out", headers=headers)
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize("headers", [OWN, {"X-Console": "1", "Origin": "http://console.test"}])
async def test_a_request_of_our_own_pages_passes(app: FastAPI, make_user: MakeUser, headers: dict[str, str]) -> None:
    user = await make_user()
    async with client_of(app, user.id) as client:
        assert (await client.post("/console/sign-out", headers=headers)).status_code == 303


async def test_every_unsafe_route_of_the_console_is_closed_to_other_sites(app: FastAPI, make_user: MakeUser) -> None:
    admin = await make_user(role="ADMIN")
    unsafe = 0
    async with client_of(app, admin.id) as client:
        for route in [route for router in CONSOLE_ROUTERS for route in router.routes]:
            assert isinstance(route, APIRoute)
            for method in (route.methods or set()) - {"GET", "HEAD"}:
                address = re.sub(r"\{\w+(:\w+)?\}", "x", route.path)
                answer = await client.request(method, address, headers={"Sec-Fetch-Site": "cross-site"})
                assert answer.status_code == 403, (method, route.path)
                unsafe += 1
    assert unsafe >= 2


async def test_pages_carry_a_policy_without_exceptions(client: httpx.AsyncClient) -> None:
    for path in ("/console/board", "/console/sign-in", "/console/nowhere", "/console/review"):
        answer = await client.get(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "private, no-store"
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", answer.text), path


async def test_connections_go_to_clerk_only_where_it_is_configured(
    client: httpx.AsyncClient, door: httpx.AsyncClient, settings: Settings, database: Database
) -> None:
    assert "connect-src 'self' https://clerk.leaps.test;" in await policy_of(client)
    assert "connect-src 'self';" in await policy_of(door)
    assert 'name="session"' not in (await door.get("/console/board")).text
    for issuer, allowed in {
        "https://leaps.test/__clerk/": " https://leaps.test", "https://clerk.test;script-src": "", "": "",
    }.items():  # fmt: skip
        clerk = ClerkSettings.model_validate({"CLERK_ISSUER": issuer, "CLERK_JWT_KEY": settings.clerk.jwt_key})
        async with client_of(create_app(settings.model_copy(update={"clerk": clerk}), database)) as other:
            assert f"connect-src 'self'{allowed};" in await policy_of(other)


async def policy_of(client: httpx.AsyncClient) -> str:
    return (await client.get("/console/board")).headers["content-security-policy"]


async def test_pages_are_packed_for_those_who_take_that(client: httpx.AsyncClient) -> None:
    packed = await client.get("/console/board", headers={"Accept-Encoding": "br, gzip;q=0.8"})
    plain = await client.get("/console/board", headers={"Accept-Encoding": "identity"})
    assert (packed.headers["content-encoding"], "content-encoding" in plain.headers) == ("gzip", False)
    assert len(packed.text) == pytest.approx(len(plain.text), abs=20)
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
    assert "Accept-Encoding" in packed.headers["vary"]
    assert "Accept-Language" in packed.headers["vary"]


async def test_static_files_are_kept_for_good_under_their_version(client: httpx.AsyncClient) -> None:
    page = (await client.get("/console/board")).text
    address = re.search(r'href="(/console/static/[0-9a-f]{12}/app\.css)"', page)
    assert address is not None
    answer = await client.get(address[1])
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    plain = await client.get(address[1], headers={"Accept-Encoding": "identity"})
    assert (plain.text, "content-encoding" in plain.headers) == (answer.text, False)
    older = await client.get("/console/static/000000000000/app.css")
    assert older.headers["cache-control"] == "public, max-age=60"
    for name in ("nothing.css", "../words.py", "vendor/README.md"):
        assert (await client.get(f"/console/static/000000000000/{name}")).status_code == 404


async def test_the_language_is_the_browsers_until_one_is_chosen(client: httpx.AsyncClient) -> None:
    assert 'lang="en"' in (await client.get("/console/board")).text
    indonesian = {"Accept-Language": "id-ID,id;q=0.9,en;q=0.8"}
    answer = await client.get("/console/board", headers=indonesian)
    assert ('lang="id"' in answer.text, answer.headers["content-language"]) == (True, "id")
    chosen = await client.get("/console/language/en?to=/console/board", headers=indonesian)
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/console/board")
    assert 'lang="en"' in (await client.get("/console/board", headers=indonesian)).text
    assert (await client.get("/console/language/fr")).status_code == 404


async def test_an_expired_session_shows_the_public_board_and_says_what_happened_elsewhere(app: FastAPI) -> None:
    async with client_of(app) as client:
        client.cookies.set("__session", "a.b.c")
        assert (await client.get("/console/board")).status_code == 200
        answer = await client.get("/console/sign-in")
        assert "Your session has ended" in answer.text


async def test_without_the_setting_there_is_no_console(settings: Settings, database: Database) -> None:
    off = settings.model_copy(update={"console": ConsoleSettings.model_validate({"CONSOLE": "false"})})
    async with client_of(create_app(off, database)) as client:
        for path in ("/console", "/console/board", "/console/sign-in"):
            assert (await client.get(path)).json()["code"] == "NOT_FOUND"


async def test_a_failure_of_the_console_is_a_page_that_tells_nothing(
    app: FastAPI, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.state, "console_suggestions", "secret", raising=False)
    answer = await client.get("/console/board")
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.text
    assert "AttributeError" not in answer.text


async def test_no_read_outlives_the_page_that_asked_for_it() -> None:
    ended = []

    async def slow() -> None:
        await asyncio.sleep(0.05)
        ended.append(True)

    async def broken() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await together(slow(), broken())
    assert ended == [True]


async def test_the_link_that_development_prints_signs_in_and_leaves_no_token_in_the_address(
    browser: Browser, cluster: Cluster, database_name: str, make_user: MakeUser, development: Settings, tmp_path: Path
) -> None:
    reviewer = await make_user(role="REVIEWER", name="Ratna Tautan")
    token = devkeys.issue_token(development, {"sub": reviewer.id})
    settings = {"CLERK_ISSUER": "", "CLERK_JWT_KEY": "", "ELEVATE_DATA_DIR": str(tmp_path)}
    dsns = cluster.dsn(database_name, SERVICE), cluster.dsn(database_name, OWNER)
    with running_service(Service(*dsns, tmp_path / "service.log", settings)) as service:
        tab = await browser.tab(service.url)
        await tab.go(f"/console/sign-in#token={token[:-9]}aaaaaaaaa")
        await tab.sees("This link is no longer good")
        await tab.accessible()
        tab.forgive("422")
        await tab.go(f"/console/sign-in#token={token}")
        await tab.sees("Ratna Tautan")
        assert await tab.run("location.pathname + location.search + location.hash") == "/console/review"
        assert await tab.run("document.cookie") == ""
        await tab.click("[hx-post='/console/sign-out']")
        await tab.sees("You are not signed in")
        assert "Ratna" not in await tab.text()
        assert tab.complaints == []
        await tab.close()
    assert token not in (tmp_path / "service.log").read_text()
