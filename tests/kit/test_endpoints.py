"""Routes whose functions are called without FastAPI's resolution: the same answers, the same order, the same faults."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from elevate_api.kit.endpoints import handler_of
from elevate_api.kit.problems import Conflict, Forbidden
from elevate_api.kit.routing import Router, Shortcuts, before_all


class Thing(BaseModel):
    name: str
    size: int = 0


class Wanted:
    def __init__(self, limit: Annotated[int, Query(ge=1)] = 20) -> None:
        self.limit = limit


def router_that_tells(told: list[str]) -> Router:
    router = Router(prefix="/things")

    async def transaction() -> AsyncIterator[str]:
        told.append("begin")
        try:
            yield "tx"
        except BaseException:
            told.append("rollback")
            raise
        told.append("commit")

    tx = Annotated[str, Depends(transaction, scope="function")]

    async def guard(session: tx, x_user: Annotated[str | None, Header()] = None) -> str:
        told.append(f"guard in {session}")
        if x_user is None:
            raise Forbidden
        return x_user

    @router.get("/mine", response_model=Thing)
    async def read(user: Annotated[str, Depends(guard)], session: tx, wanted: Annotated[Wanted, Depends()]) -> Thing:
        told.append(f"read in {session}")
        return Thing(name=user, size=wanted.limit)

    @router.post("", status_code=201, response_model=Thing)
    async def write(response: Response, user: Annotated[str, Depends(guard)], thing: Thing) -> Thing:
        if thing.name == "taken":
            raise Conflict
        response.headers["Location"] = f"/things/{user}"
        return thing

    @router.get("/keyed", response_model=Thing)
    async def keyed(
        key: Annotated[str | None, Header(alias="Thing-Key", max_length=3)] = None,
        dry_run: Annotated[str, Header()] = "no",
    ) -> Thing:
        return Thing(name=f"{key} {dry_run}")

    return router


@pytest.fixture
def told(app: FastAPI) -> list[str]:
    told: list[str] = []
    app.include_router(router_that_tells(told))
    app.router.middleware_stack = Shortcuts(app.router.middleware_stack)
    return told


async def test_each_dependency_is_called_once_and_the_transaction_ends_before_the_answer(
    client: httpx.AsyncClient, told: list[str]
) -> None:
    for _ in range(2):  # the second takes the shortcut
        answer = await client.get("/things/mine?limit=3", headers={"X-User": "ada"})
        assert (answer.status_code, answer.json()) == (200, {"name": "ada", "size": 3})
        assert told == ["begin", "guard in tx", "read in tx", "commit"]
        told.clear()


async def test_what_a_guard_refuses_is_no_question_of_parameters(client: httpx.AsyncClient, told: list[str]) -> None:
    assert (await client.get("/things/mine?limit=no")).status_code == 403
    assert told == ["begin", "guard in tx", "rollback"]


async def test_faults_of_a_dependencys_parameters_keep_the_handler_from_being_called(
    client: httpx.AsyncClient, told: list[str]
) -> None:
    answer = await client.get("/things/mine?limit=0", headers={"X-User": "ada"})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["query/limit"]
    assert told == ["begin", "guard in tx", "rollback"]


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({}, "None no"),
        ({"THING-KEY": "abc"}, "abc no"),
        ({"dry-run": "yes"}, "None yes"),
        ({"thing-key": "abcd"}, None),
    ],
)
async def test_headers_are_judged_where_one_of_them_is_given(
    client: httpx.AsyncClient, told: list[str], headers: dict[str, str], name: str | None
) -> None:
    for _ in range(2):  # the second takes the shortcut
        answer = await client.get("/things/keyed", headers=headers)
        assert (answer.status_code, answer.json().get("name")) == (422 if name is None else 200, name)
    assert told == []


@pytest.mark.parametrize(
    ("body", "status"), [('{"name": "a"}', 201), ('{"name": 1}', 422), ("", 422), ("null", 422), ("{", 400)]
)
async def test_bodies_are_read_and_judged(client: httpx.AsyncClient, told: list[str], body: str, status: int) -> None:
    headers = {"X-User": "ada", "Content-Type": "application/json"}
    answer = await client.post("/things", content=body, headers=headers)
    assert answer.status_code == status
    if status == 201:
        assert (answer.json(), answer.headers["location"]) == ({"name": "a", "size": 0}, "/things/ada")
        assert told[-1] == "commit"


async def test_an_error_of_the_handler_rolls_back(client: httpx.AsyncClient, told: list[str]) -> None:
    answer = await client.post("/things", json={"name": "taken"}, headers={"X-User": "ada"})
    assert (answer.status_code, told[-1]) == (409, "rollback")


async def test_a_shortcut_leaves_other_methods_and_paths_alone(client: httpx.AsyncClient, told: list[str]) -> None:
    await client.get("/things/mine", headers={"X-User": "ada"})
    told.clear()
    refused = await client.post("/things/mine", json={})
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
    assert (await client.get("/things/yours")).status_code == 404
    assert told == []


async def test_what_goes_before_all_is_asked_first(app: FastAPI, client: httpx.AsyncClient, told: list[str]) -> None:
    async def refuse(request: Request) -> None:
        told.append(request.url.path)
        raise Conflict

    before_all(app, refuse)
    assert (await client.get("/things/mine", headers={"X-User": "ada"})).status_code == 409
    assert told == ["/things/mine"]


def test_a_route_with_a_dependency_of_another_kind_stays_with_fastapi() -> None:
    async def read(value: Annotated[Any, Depends(lambda: 1)]) -> Thing:
        return Thing(name=str(value))

    assert handler_of(APIRoute("/odd", read, response_model=Thing)) is None
