"""What generators of clients need of the OpenAPI document: examples, headers, and the names of the contract's page."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from elevate_api.kit.schemas import Schema

PAGE = Path(__file__).parents[3] / "shared" / "api.md"
METHOD = "(?:GET|POST|PUT|PATCH|DELETE)"
QUOTATION = re.compile(rf"({METHOD}(?:\|{METHOD})*)? ?((?:/|\.\.\.)\S*)?.*")
Route = tuple[str, str]
Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def models(kind: type[BaseModel] = Schema) -> Iterator[type[BaseModel]]:
    for below in kind.__subclasses__():
        yield below
        yield from models(below)


def names_of_schemas(schema: dict[str, Any]) -> list[str]:
    """Of those that a body may be; an optional body is one or null."""
    choices = [schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return [choice["$ref"].rpartition("/")[2] for choice in choices if "$ref" in choice]


def test_every_body_has_an_example_that_the_service_would_take(document: dict[str, Any]) -> None:
    known = {model.__name__: model for model in models()}
    for method, path, operation in operations(document):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            names = names_of_schemas(media["schema"])
            schemas = [document["components"]["schemas"][name] for name in names]
            shown = [example["value"] for example in media.get("examples", {}).values()]
            assert shown or "example" in media or any(schema.get("examples") for schema in schemas), (method, path)
            for name, schema in zip(names, schemas, strict=True):
                for example in schema.get("examples", ()):
                    known[name].model_validate(example)


def test_every_paged_list_names_the_header_of_the_next_page(document: dict[str, Any]) -> None:
    paged = 0
    for method, path, operation in operations(document):
        if any(parameter["name"] == "cursor" for parameter in operation.get("parameters", ())):
            assert "Link" in operation["responses"]["200"].get("headers", {}), (method, path)
            paged += 1
    assert paged >= 10


def test_a_new_submission_names_its_location(document: dict[str, Any]) -> None:
    created = document["paths"]["/api/submissions"]["post"]["responses"]["201"]
    assert "Location" in created["headers"]
    assert created["content"]["application/json"]["schema"]["$ref"].endswith("/SubmissionOut")


def test_codes_are_a_closed_list_that_covers_every_example(document: dict[str, Any]) -> None:
    codes = set(document["components"]["schemas"]["ProblemDocument"]["properties"]["code"]["enum"])
    shown: set[str] = set()
    for _method, _path, operation in operations(document):
        for answer in operation["responses"].values():
            shown |= answer.get("content", {}).get("application/problem+json", {}).get("examples", {}).keys()
    assert shown == codes


# --- the contract's page --------------------------------------------------------------------------------------------


def routes_of_document(document: dict[str, Any]) -> set[Route]:
    """Parameters without their names, which stand for anything; those of a closed list as each of its values."""
    found: set[Route] = set()
    for method, path, operation in operations(document):
        closed: dict[str, list[str]] = {}
        for parameter in operation.get("parameters", ()):
            schema = parameter["schema"]
            if "$ref" in schema:
                schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            if parameter["in"] == "path" and "enum" in schema:
                closed[parameter["name"]] = schema["enum"]
        found |= {(method, plain(one)) for one in spread(path, closed)}
    return found


def spread(path: str, closed: dict[str, list[str]]) -> list[str]:
    parts = re.split(r"\{(\w+)\}", path)
    choices = [closed.get(part, [f"{{{part}}}"]) if at % 2 else [part] for at, part in enumerate(parts)]
    return ["".join(words) for words in itertools.product(*choices)]


def plain(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path.partition("?")[0])


def routes_of_page(text: str) -> set[Route]:
    found: set[Route] = set()
    for line in text.splitlines():
        if line.startswith("| `"):
            found |= set(routes_of_row(line.replace(r"\|", "|")))
    return found


def routes_of_row(row: str) -> Iterator[Route]:
    """Quotations that a slash joins share a path; without one it is the row's first, which `...` stands for as well.

    A path without a method has those of the path before it.
    """
    base, methods = "", list[str]()
    for group in re.findall(r"`[^`]+`(?:/`[^`]+`)*", row):
        quotations = [QUOTATION.fullmatch(quoted) for quoted in group.strip("`").split("`/`")]
        named = [method for match in quotations if match and match[1] for method in match[1].split("|")]
        path = next((match[2] for match in quotations if match and match[2]), base)
        if not named and path == base:
            continue
        methods, path = named or methods, path.replace("...", base)
        base = base or path.partition("?")[0]
        for one in alternatives(path):
            yield from ((method, plain(one)) for method in methods)


def alternatives(path: str) -> list[str]:
    """`/x/{a|b}` is `/x/a` and `/x/b`."""
    listed = re.search(r"\{(\w+(?:\|\w+)+)\}", path)
    return [path.replace(listed[0], word) for word in listed[1].split("|")] if listed else [path]


def of_an_element(route: Route) -> Route:
    """The page writes PATCH and DELETE of a collection's elements beside the collection's own methods."""
    return route[0], f"{route[1]}/{{}}"


@pytest.mark.skipif(not PAGE.exists(), reason="the contract's page is not beside this repository")
def test_the_routes_are_those_of_the_page(document: dict[str, Any]) -> None:
    page, ours = routes_of_page(PAGE.read_text(encoding="utf-8")), routes_of_document(document)
    assert len(page) > 70
    absent = {route for route in page - ours if route[0] not in {"PATCH", "DELETE"} or of_an_element(route) not in ours}
    assert absent == set()
    assert ours - page - {of_an_element(route) for route in page} == set()
