"""Bodies are read once and strictly; nothing that PostgreSQL cannot store reaches a handler."""

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from elevate_api.kit import strict_json
from elevate_api.kit.problems import MalformedJson, ValidationFailed
from elevate_api.kit.routing import Route, Router

NESTED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8", min_codepoint=1)), inner),
    max_leaves=20,
)


@given(NESTED, st.booleans())
def test_every_storable_document_is_read_as_it_is(document: Any, ascii_only: bool) -> None:
    assert strict_json.parse(json.dumps(document, ensure_ascii=ascii_only).encode()) == document


@given(st.binary())
def test_any_bytes_are_a_document_or_a_problem(raw: bytes) -> None:
    try:
        strict_json.parse(raw)
    except (MalformedJson, ValidationFailed) as problem:
        assert problem.status in {400, 422}  # noqa: PT017


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{} {}",
        b"\xff",
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b"NaN",
        b"[-Infinity]",
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'{"x":[{"deep":{"b":1,"b":2}}]}',
        b'"\x00"',
        b"[" * 65 + b"]" * 65,
        b"[" * 500 + b"]" * 500,
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"'a'",
        b"01",
        b"[1,]",
    ],
)
def test_malformed_documents_are_refused(raw: bytes) -> None:
    with pytest.raises(MalformedJson):
        strict_json.parse(raw)


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (b'"\\u0000"', ""),
        (b'{"a/b":["ok","\\ud800"]}', "/a~1b/1"),
        (b'{"x":{"\\u0000":1}}', "/x"),
        (b'{"x":{"\\udfff":{"y":1}}}', "/x"),
        (b'"\\udc00\\ud800"', ""),
        (b'{"n":9223372036854775808}', "/n"),
        (b'{"n":[-9223372036854775809]}', "/n/0"),
        (b'{"n":1' + b"0" * 5000 + b"}", "/n"),
        (b'{"n":1e400}', "/n"),
        (b'{"n":-1E+999}', "/n"),
    ],
)
def test_what_cannot_be_stored_is_refused_at_its_place(raw: bytes, pointer: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        strict_json.parse(raw)
    assert [error.pointer for error in caught.value.errors] == [pointer]


def test_the_limits_themselves_are_allowed() -> None:
    assert strict_json.parse(b"[9223372036854775807, -9223372036854775808, 1.7e308]") == [2**63 - 1, -(2**63), 1.7e308]
    assert strict_json.parse(b'"\\ud83d\\ude00 \\\\u0000"') == "\U0001f600 \\u0000"
    deepest = strict_json.parse(b"[" * 64 + b"]" * 64)
    assert isinstance(deepest, list)


def test_faults_are_counted_only_so_far() -> None:
    with pytest.raises(ValidationFailed) as caught:
        strict_json.parse(json.dumps(["\0"] * 500).encode())
    assert len(caught.value.errors) == 50


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b'{"a":"\\u0000"}', 422, "VALIDATION_FAILED"),
        (b'{"a":1,"a":2}', 400, "MALFORMED_JSON"),
        (b"[" * 900, 400, "MALFORMED_JSON"),
        (b"\xff", 400, "MALFORMED_JSON"),
        (b'{"a":1e999}', 422, "VALIDATION_FAILED"),
        (b"{}", 200, ""),
    ],
)
async def test_routes_read_bodies_strictly(
    app: FastAPI, client: httpx.AsyncClient, content: bytes, status: int, code: str
) -> None:
    @app.post("/any")
    async def take(body: dict[str, Any]) -> None: ...

    answer = await client.post("/any", content=content, headers={"Content-Type": "application/json"})

    assert answer.status_code == status
    assert code in answer.text


async def test_a_route_that_was_included_is_strict_too(app: FastAPI, client: httpx.AsyncClient) -> None:
    inner, outer = Router(prefix="/inner"), Router(prefix="/outer")

    @inner.post("/any")
    async def take(body: dict[str, Any], request: Request) -> str:
        return type(request).__name__

    outer.include_router(inner)
    app.include_router(outer)

    assert isinstance(inner.routes[0], Route)
    headers = {"Content-Type": "application/json"}
    assert (await client.post("/outer/inner/any", content=b'{"a":1,"a":2}', headers=headers)).status_code == 400
    assert (await client.post("/outer/inner/any", content=b"{}", headers=headers)).json() == "StrictRequest"


@pytest.mark.parametrize(
    ("target", "status", "pointer"),
    [
        ("/p/a%00b", 404, None),
        ("/p/x?q=%00", 422, "query/q"),
        ("/p/x?other=1&undeclared=a%00", 422, "query/undeclared"),
        ("/p/x?%00=1", 422, "query/?"),
        ("/p/x?q=%2500", 200, None),
        ("/p/x?q=%ED%A0%80", 200, None),
        ("/p/%ff?q=%ff", 200, None),
    ],
)
async def test_paths_and_queries_hold_nothing_that_cannot_be_stored(
    app: FastAPI, client: httpx.AsyncClient, target: str, status: int, pointer: str | None
) -> None:
    @app.get("/p/{name}")
    async def get(name: str, q: str = "") -> str:
        return (name + q).encode().decode()

    answer = await client.get(target)

    assert answer.status_code == status
    if pointer is not None:
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_numbers_beyond_64_bits_in_query_and_path_reach_no_database(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    @app.get("/n/{number}")
    async def get(number: int) -> int:
        return number

    assert (await client.get("/n/" + "9" * 5000)).status_code == 422
