"""Every error is a problem document; none of them says more than it should."""

import json
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import Discriminator, Field
from structlog.typing import EventDict

from elevate_api.kit import problems
from elevate_api.kit.problems import FieldError, Problem
from elevate_api.kit.schemas import Instant, Schema, Text


class PotEmpty(Problem):
    status = 409
    code = "POT_EMPTY"
    title = "The pot is empty"
    detail = "There is no tea left."


class Learn(Schema):
    kind: Literal["LEARN"]
    certificate: Text


class Amplify(Schema):
    kind: Literal["AMPLIFY"]
    peers_trained: int
    at: Instant | None = None


class Submission(Schema):
    payload: Annotated[Learn | Amplify, Discriminator("kind")]
    tags: list[Text] = Field(default_factory=list)


async def test_a_problem_carries_its_members_in_snake_case(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/tea")
    async def tea() -> None:
        raise PotEmpty("Drunk.", headers={"Retry-After": "7"}, cups_left=0, brewed_by={"peers": 3})

    answer = await client.get("/tea", headers={"X-Request-ID": "abc-1"})

    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "7"
    assert answer.json() == {
        "type": "/problems/pot-empty",
        "title": "The pot is empty",
        "status": 409,
        "detail": "Drunk.",
        "instance": "/tea",
        "code": "POT_EMPTY",
        "request_id": "abc-1",
        "cups_left": 0,
        "brewed_by": {"peers": 3},
    }


def test_a_code_belongs_to_one_class() -> None:
    with pytest.raises(TypeError, match="NOT_FOUND is the code of"):
        type("Lost", (Problem,), {"code": "NOT_FOUND"})
    assert problems.registry()["NOT_FOUND"] is problems.NotFound


@pytest.mark.parametrize("code", ["notUpper", "NOT-UPPER", "", "_X", "X__Y"])
def test_a_code_is_upper_snake(code: str) -> None:
    with pytest.raises(TypeError, match="UPPER_SNAKE"):
        type("Odd", (Problem,), {"code": code})


@pytest.mark.parametrize("name", ["status", "code", "camelCase", "request_id"])
def test_an_extension_is_snake_case_and_new(name: str) -> None:
    extensions: dict[str, Any] = {name: 1}
    with pytest.raises(ValueError, match=name):
        PotEmpty(**extensions)


async def test_what_json_cannot_say_in_an_extension_does_not_become_an_error_without_code(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    @app.get("/tea")
    async def tea() -> None:
        raise PotEmpty(leaf="\ud800", other=object())

    answer = await client.get("/tea")

    assert (answer.status_code, answer.json()["code"]) == (409, "POT_EMPTY")


async def test_an_unforeseen_error_says_nothing_and_is_logged(
    app: FastAPI, client: httpx.AsyncClient, logged: list[EventDict]
) -> None:
    @app.get("/boom")
    async def boom() -> None:
        raise KeyError("SELECT password FROM users")

    answer = await client.get("/boom", headers={"X-Request-ID": "find-me"})

    assert answer.status_code == 500
    assert answer.json()["code"] == "INTERNAL_ERROR"
    assert "SELECT" not in answer.text
    assert "KeyError" not in answer.text
    assert answer.headers["x-request-id"] == "find-me"
    unhandled = next(line for line in logged if line["event"] == "unhandled_error")
    assert isinstance(unhandled["exc_info"], KeyError)
    assert unhandled["request_id"] == "find-me"


async def test_an_answer_that_breaks_its_own_schema_is_an_internal_error(
    app: FastAPI, client: httpx.AsyncClient, logged: list[EventDict]
) -> None:
    @app.get("/odd", response_model=Learn)
    async def odd() -> dict[str, str]:
        return {"kind": "secret"}

    answer = await client.get("/odd")

    assert answer.json()["code"] == "INTERNAL_ERROR"
    assert "secret" not in answer.text


async def test_unknown_paths_are_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nowhere/\u00e4 b")
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    assert answer.json()["instance"] == "/nowhere/%C3%A4%20b"


async def test_other_methods_are_refused_with_every_allowed_one(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/thing")
    @app.delete("/thing")
    async def thing() -> None: ...

    @app.patch("/thing")
    async def patch() -> None: ...

    answer = await client.post("/thing")

    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "PATCH", "DELETE"}


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "UNAUTHENTICATED"), (400, "BAD_REQUEST"), (418, "IM_A_TEAPOT"), (503, "SERVICE_UNAVAILABLE")],
)
async def test_exceptions_of_the_framework_become_problems(
    app: FastAPI, client: httpx.AsyncClient, status: int, code: str
) -> None:
    @app.get("/x")
    async def x() -> None:
        raise HTTPException(status, "no tea", headers={"X-Tea": "none"})

    answer = await client.get("/x")

    assert answer.status_code == status
    assert answer.json()["code"] == code
    assert answer.json()["detail"] == "no tea"
    assert answer.headers["x-tea"] == "none"


async def test_every_fault_of_a_body_has_its_place(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.post("/s")
    async def post(body: Submission) -> None: ...

    answer = await client.post(
        "/s", json={"payload": {"kind": "AMPLIFY", "peersTrained": "x", "a/b~c": 1}, "tags": ["ok", 5]}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_FAILED")
    assert {error["pointer"] for error in answer.json()["errors"]} == {
        "/payload/peersTrained",
        "/payload/a~1b~0c",
        "/tags/1",
    }


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/payload"),
        ({"payload": {"kind": "AMPLIFY"}}, "/payload/peersTrained"),
        ({"payload": {"kind": "AMPLIFY", "peersTrained": 1, "at": 5}}, "/payload/at"),
        ({"payload": {"kind": "OTHER"}}, "/payload/kind"),
        ({"payload": {}}, "/payload/kind"),
        ({"payload": 7}, "/payload"),
        ([], ""),
        ("text", ""),
        (None, ""),
    ],
)
async def test_a_pointer_is_a_place_in_the_document_sent(
    app: FastAPI, client: httpx.AsyncClient, body: Any, pointer: str
) -> None:
    @app.post("/s")
    async def post(body: Submission) -> None: ...

    answer = await client.post("/s", content=json.dumps(body), headers={"Content-Type": "application/json"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_faults_outside_the_body_name_their_source(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/s/{id}")
    async def get(id: UUID, limit: int, x_tea: Annotated[int, Header()]) -> None: ...  # noqa: A002

    answer = await client.get("/s/nine?limit=ten", headers={"X-Tea": "green"})

    assert {error["pointer"] for error in answer.json()["errors"]} == {"path/id", "query/limit", "header/x-tea"}


async def test_input_is_never_echoed(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.post("/s")
    async def post(body: Submission) -> None: ...

    for body in ({"payload": {"kind": "hunter2"}}, {"payload": {"kind": "AMPLIFY", "peersTrained": "hunter2"}}):
        answer = await client.post("/s", json=body)
        assert answer.status_code == 422
        assert "hunter2" not in answer.text


async def test_neither_many_nor_long_faults_make_a_long_answer(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.post("/upload")
    async def post(body: Submission) -> None: ...

    many = await client.post("/upload", json={f"f{number}": 1 for number in range(300)})
    long = await client.post("/upload", json={"n" * 4000: 1, "payload": {"kind": "z" * 500}})

    assert len(many.json()["errors"]) == 50
    assert len(long.content) < 1500


async def test_what_a_dependency_raises_wins_over_faults_of_the_body(app: FastAPI, client: httpx.AsyncClient) -> None:
    async def guard() -> None:
        raise problems.Unauthenticated

    @app.post("/s", dependencies=[Depends(guard)])
    async def post(body: Submission) -> None: ...

    answer = await client.post("/s", json={})

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_single_fault_can_be_named_by_hand() -> None:
    assert problems.ValidationFailed.at("/a", "no").errors == (FieldError("/a", "no"),)
