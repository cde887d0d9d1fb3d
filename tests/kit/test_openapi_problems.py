"""The OpenAPI document says every problem a route can answer, and nothing of FastAPI's own error schema."""

from typing import Annotated, Any, ClassVar

import httpx
import pytest
from fastapi import FastAPI, Query

from elevate_api.kit import problems
from elevate_api.kit.paging import Page
from elevate_api.kit.problems import Problem
from elevate_api.kit.schemas import Schema


class QuotaGone(Problem):
    status = 409
    code = "TEST_QUOTA_GONE"
    title = "The quota is used up"
    detail = "Used up."
    example: ClassVar = {"limit": {"peers": 50}, "used": {"peers": 49}}


class Thing(Schema):
    display_name: str


@pytest.fixture
async def document(app: FastAPI, client: httpx.AsyncClient) -> dict[str, Any]:
    @app.post("/things", responses=problems.responses(QuotaGone, problems.Conflict, problems.Unauthenticated))
    async def create(thing: Thing) -> Thing:
        return thing

    @app.get("/things", responses=problems.responses(problems.ValidationFailed))
    async def find(limit: Annotated[int, Query()] = 1) -> Page[Thing]:
        return Page[Thing](items=[], next_cursor=None)

    @app.get("/plain")
    async def plain() -> None: ...

    document = (await client.get("/openapi.json")).json()
    assert isinstance(document, dict)
    return document


def codes(document: dict[str, Any], method: str, path: str) -> set[str]:
    answers = document["paths"][path][method]["responses"].values()
    return {
        code for answer in answers for code in answer["content"].get("application/problem+json", {}).get("examples", {})
    }


def test_the_default_error_schema_is_gone(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert "ValidationError" not in str(document)
    assert set(document["components"]["schemas"]) == {"Thing", "ThingPage", "ProblemDocument"}


def test_what_any_route_may_answer_is_added(document: dict[str, Any]) -> None:
    always = {"INTERNAL_ERROR", "DATABASE_UNAVAILABLE"}
    assert codes(document, "get", "/plain") == always
    assert codes(document, "get", "/things") == always | {"VALIDATION_FAILED"}
    assert codes(document, "post", "/things") == always | {
        "TEST_QUOTA_GONE",
        "CONFLICT",
        "UNAUTHENTICATED",
        "VALIDATION_FAILED",
        "MALFORMED_JSON",
        "BODY_TOO_LARGE",
        "UNSUPPORTED_MEDIA_TYPE",
    }


def test_problems_of_one_status_are_examples_of_one_answer(document: dict[str, Any]) -> None:
    answer = document["paths"]["/things"]["post"]["responses"]["409"]
    content = answer["content"]["application/problem+json"]
    assert answer["description"] == "The quota is used up; Conflict"
    assert content["schema"] == {"$ref": "#/components/schemas/ProblemDocument"}
    assert content["examples"]["TEST_QUOTA_GONE"]["value"]["used"] == {"peers": 49}


def test_headers_of_a_problem_are_documented(document: dict[str, Any]) -> None:
    answers = document["paths"]["/things"]["post"]["responses"]
    assert set(answers["401"]["headers"]) == {"WWW-Authenticate"}
    assert set(answers["503"]["headers"]) == {"Retry-After"}


def test_the_code_is_one_of_a_closed_list(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["ProblemDocument"]
    assert "TEST_QUOTA_GONE" in schema["properties"]["code"]["enum"]
    assert "INTERNAL_ERROR" in schema["properties"]["code"]["enum"]
    for path in document["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                for example in answer["content"].get("application/problem+json", {}).get("examples", {}).values():
                    assert example["value"]["code"] in schema["properties"]["code"]["enum"]
                    assert set(schema["required"]) <= set(example["value"])


async def test_the_document_is_made_once(app: FastAPI, document: dict[str, Any]) -> None:
    assert app.openapi() is app.openapi()
    assert app.openapi() == document
