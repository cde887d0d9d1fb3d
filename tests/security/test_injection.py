"""Text that means something to a database, a shell, a page or a header, in every place that takes text."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import FastAPI
from tests.security.matrix import MATRIX
from tests.security.world import Ask, World, send

HARMLESS = "zzqxj"
ATTACKS = (
    "zzqxj'; SELECT pg_sleep(9); -- {{7*7}} %\\_",
    "zzqxj' OR '1'='1\r\nSet-Cookie: a=b\r\n<script>alert(1)</script>",
)
LEAKS = ("syntax error", "asyncpg", "sqlalchemy", "Traceback", "pg_catalog", "49</", 'relation "')
SLOW = 8.0


def _parameters(app: FastAPI, method: str, path: str, kind: str) -> list[str]:
    operation = app.openapi()["paths"].get(path, {}).get(method.lower(), {})
    return [one["name"] for one in operation.get("parameters", ()) if one["in"] == kind]


def _judge(answer: httpx.Response, where: str) -> Iterator[str]:
    """A body may say again what was said (as JSON); a header may not, nor may anybody's insides show."""
    if answer.status_code >= 500:
        yield f"{where}: {answer.status_code}"
    if any(leak in answer.text for leak in LEAKS):
        yield f"{where}: {answer.text[:200]}"
    if "set-cookie" in answer.headers or any("\n" in value or "\r" in value for value in answer.headers.values()):
        yield f"{where}: a header of the attacker's"


async def test_in_a_query_it_is_text_like_any_other(world: World, client: httpx.AsyncClient, app: FastAPI) -> None:
    """The same status and, for a list, the same nothing as for a harmless word."""
    faults: list[str] = []
    tried = 0
    for method, path in MATRIX:
        for name in _parameters(app, method, path, "query"):
            ask = await world.ask((method, path), "superadmin")
            calm = await _query(client, world, method, ask, name, HARMLESS)
            for attack in ATTACKS:
                tried += 1
                began = time.monotonic()
                answer = await _query(client, world, method, ask, name, attack)
                where = f"{method} {path}?{name}={attack!r}"
                faults += _judge(answer, where)
                faults += [f"{where}: slow"] if time.monotonic() - began > SLOW else []
                if answer.status_code not in {calm.status_code, 422}:
                    faults.append(f"{where}: {answer.status_code} and not {calm.status_code}")
                elif answer.status_code == 200 and _items(answer) != _items(calm):
                    faults.append(f"{where}: shows something else")
    assert faults == []
    assert tried > 80


async def _query(
    client: httpx.AsyncClient, world: World, method: str, ask: Ask, name: str, value: str
) -> httpx.Response:
    return await client.request(method, ask.path, params={name: value}, headers=world.headers("superadmin"))


def _items(answer: httpx.Response) -> Any:
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return None
    return answer.json().get("items")


async def test_in_a_path_it_names_nothing(world: World, client: httpx.AsyncClient, app: FastAPI) -> None:
    faults: list[str] = []
    tried = 0
    for method, path in MATRIX:
        for name in _parameters(app, method, path, "path"):
            others = dict.fromkeys(_parameters(app, method, path, "path"), "zzqxj")
            for attack in ATTACKS:
                tried += 1
                url = path.format(**{**others, name: quote(attack, safe="")})
                ask = await world.ask((method, path), "superadmin")
                answer = await send(
                    client, method, Ask(url, ask.json, ask.headers, ask.content), world.headers("superadmin")
                )
                faults += _judge(answer, f"{method} {url}")
                if answer.status_code < 400:
                    faults.append(f"{method} {url}: {answer.status_code}")
    assert faults == []
    assert tried > 30


async def test_in_a_body_it_is_stored_or_refused_as_it_is(world: World, client: httpx.AsyncClient) -> None:
    faults: list[str] = []
    tried = 0
    before = await _counts(world)
    for method, path in MATRIX:
        ask = await world.ask((method, path), "superadmin")
        for place in _texts(ask.json):
            for attack in ATTACKS:
                tried += 1
                fresh = await world.ask((method, path), "superadmin")
                body = _with(fresh.json, place, attack)
                headers = {**world.headers("superadmin"), **world.key()}
                answer = await client.request(method, fresh.path, json=body, headers=headers)
                faults += _judge(answer, f"{method} {path} {place} {attack!r}")
    assert faults == []
    assert tried > 40
    assert (await _counts(world)).keys() == before.keys()


async def _counts(world: World) -> dict[str, int]:
    """Tables that are there; one dropped by an attack would be missing."""
    rows = await world.sql.fetch("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    return {row[0]: 1 for row in rows}


def _texts(node: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(node, str):
        yield place
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from _texts(child, (*place, key))


def _with(node: Any, place: tuple[Any, ...], value: str) -> Any:
    if not place:
        return value
    copy = node.copy()
    copy[place[0]] = _with(node[place[0]], place[1:], value)
    return copy


async def test_text_that_was_stored_is_text_when_it_comes_back(world: World, client: httpx.AsyncClient) -> None:
    """Into a name, a region, a reason, and out again by lists, searches, exports and the person's own copy."""
    nasty = "'; DROP TABLE users; -- <img src=x onerror=alert(1)> =1+1"
    answer = await client.patch("/api/me", json={"name": nasty, "region": nasty}, headers=world.headers("owner"))
    assert answer.json()["name"] == nasty
    admin = world.headers("admin")
    found = (await client.get("/api/admin/users", params={"search": nasty}, headers=admin)).json()["items"]
    assert [one["id"] for one in found] == ["owner"]
    for file in ("users", "submissions", "ledger", "leaderboard", "audit"):
        export = await client.get(f"/api/admin/exports/{file}.csv", headers=admin)
        assert export.headers["content-type"].startswith("text/csv")
        assert export.headers["content-disposition"].startswith("attachment")
    assert (await client.get("/api/me/export", headers=world.headers("owner"))).status_code == 200
