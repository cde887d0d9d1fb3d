"""What the two layers around the application do to requests and answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from structlog.typing import EventDict

from elevate_api.kit import context, problems
from elevate_api.kit.middleware import Guard, Limits, RequestContext
from elevate_api.kit.routing import Router

ClientFor = Callable[[FastAPI], httpx.AsyncClient]
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def routes(app: FastAPI) -> None:
    @app.post("/echo")
    @app.post("/upload")
    @app.post("/upload/small")
    @app.post("/webhooks/x/{name}")
    @app.delete("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    @app.get("/id")
    async def identity() -> str | None:
        return context.current_request_id()


@pytest.mark.parametrize("given", ["abc", "A-b_c.1", "x" * 128])
async def test_a_sane_request_id_is_taken_over(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/id", headers={"X-Request-ID": given})
    assert answer.headers["x-request-id"] == given == answer.json()


@pytest.mark.parametrize(
    "given", ["", "a b", "x" * 129, "a\nb", "\u00e4".encode(), "../etc", "a\r\nSet-Cookie: x=1", "<b>"]
)
async def test_any_other_request_id_is_replaced(client: httpx.AsyncClient, given: Any) -> None:
    answer = await client.get("/id", headers=[(b"X-Request-ID", given if isinstance(given, bytes) else given.encode())])
    assert answer.headers["x-request-id"] == answer.json()
    assert len(answer.json()) == 32
    assert answer.headers.get_list("x-request-id") == [answer.json()]


async def test_request_ids_of_simultaneous_requests_do_not_mix(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.get("/id", headers={"X-Request-ID": f"r{n}"}) for n in range(20)))
    assert [answer.json() for answer in answers] == [f"r{n}" for n in range(20)]
    assert context.current_request_id() is None


async def test_every_answer_is_named_and_defended(
    app: FastAPI, client: httpx.AsyncClient, logged: list[EventDict]
) -> None:
    @app.get("/boom")
    async def boom() -> None:
        raise RuntimeError

    for method, path in [("GET", "/id"), ("GET", "/nowhere"), ("PUT", "/id"), ("GET", "/boom")]:
        answer = await client.request(method, path)
        assert answer.headers["x-request-id"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "private, no-store"
        assert "strict-transport-security" not in answer.headers


async def test_what_a_handler_says_about_caching_and_sources_stands(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/page")
    async def page() -> HTMLResponse:
        return HTMLResponse(
            "x", headers={"Cache-Control": "public, max-age=5", "Content-Security-Policy": "script-src 'self'"}
        )

    answer = await client.get("/page")

    assert answer.headers.get_list("cache-control") == ["public, max-age=5"]
    assert answer.headers.get_list("content-security-policy") == ["script-src 'self'"]


async def test_a_page_that_names_no_sources_gets_none(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/plain")
    async def plain() -> HTMLResponse:
        return HTMLResponse("<script>1</script>")

    answer = await client.get("/plain")
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


async def test_https_is_pinned_only_when_told(client_for: ClientFor) -> None:
    app = FastAPI()
    app.add_middleware(RequestContext, hsts=True)
    assert (await client_for(app).get("/")).headers["strict-transport-security"] == "max-age=31536000"


async def chunks(count: int, size: int = 100) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


@pytest.mark.parametrize("body", [b"x" * 1001, None])
async def test_long_bodies_are_refused_announced_or_not(client: httpx.AsyncClient, body: bytes | None) -> None:
    answer = await client.post("/echo", content=body or chunks(11), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("length", ["9" * 5000, "1001", "00001001"])
async def test_an_announced_length_is_believed_before_anything_is_read(client: httpx.AsyncClient, length: str) -> None:
    answer = await client.post("/echo", content=b"", headers={**JSON, "Content-Length": length})
    assert answer.status_code == 413


async def test_the_longest_prefix_decides_how_long_a_body_may_be(client: httpx.AsyncClient) -> None:
    for path, size, status in [
        ("/echo", 1000, 200),
        ("/upload", 5000, 200),
        ("/upload", 5001, 413),
        ("/upload/small", 10, 200),
        ("/upload/small", 11, 413),
    ]:
        answer = await client.post(path, content=chunks(1, size), headers=JSON)
        assert answer.status_code == status, (path, size)


async def test_a_long_body_of_a_parsed_route_is_too_large_not_malformed(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    @app.post("/parsed")
    async def parsed(body: dict[str, Any]) -> None: ...

    answer = await client.post("/parsed", content=chunks(11), headers=JSON)

    assert answer.json()["code"] == "BODY_TOO_LARGE"


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "application/json; charset=latin-1",
        "multipart/form-data; boundary=x",
        "",
        "application/json, text/plain",
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_other_media_types_are_refused(client: httpx.AsyncClient, method: str, media_type: str) -> None:
    answer = await client.request(method, "/echo", content=b"{}", headers={"Content-Type": media_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert answer.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/vnd.api+json",
    ],
)
async def test_json_is_taken_however_it_is_written(client: httpx.AsyncClient, media_type: str) -> None:
    assert (await client.post("/echo", content=b"{}", headers={"Content-Type": media_type})).status_code == 200


async def test_without_a_body_and_for_webhooks_the_media_type_does_not_matter(client: httpx.AsyncClient) -> None:
    assert (await client.post("/echo", headers={"Content-Type": "text/plain"})).status_code == 200
    assert (await client.post("/echo")).status_code == 200
    assert (
        await client.post("/webhooks/x/y", content=b"{}", headers={"Content-Type": "text/plain"})
    ).status_code == 200


async def test_a_refusal_can_be_read_across_origins(client_for: ClientFor, logged: list[EventDict]) -> None:
    app = FastAPI()
    problems.install(app, {})

    @app.get("/boom")
    async def boom() -> None:
        raise RuntimeError

    app.add_middleware(Guard, limits=Limits(5))
    app.add_middleware(CORSMiddleware, allow_origins=["https://front.example"])
    app.add_middleware(RequestContext)
    client = client_for(app)

    for answer in [
        await client.get("/boom", headers={"Origin": "https://front.example"}),
        await client.post("/boom", content=b"123456", headers={"Origin": "https://front.example", **JSON}),
        await client.post("/boom", content=b"1", headers={"Origin": "https://front.example"}),
    ]:
        assert answer.status_code in {500, 413, 415}
        assert answer.headers["access-control-allow-origin"] == "https://front.example"
        assert answer.headers["x-request-id"] == answer.json()["request_id"]


async def test_an_answer_that_breaks_off_is_broken_off(
    app: FastAPI, client: httpx.AsyncClient, logged: list[EventDict]
) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("the rest is missing")

    @app.get("/half")
    async def stream() -> StreamingResponse:
        return StreamingResponse(half())

    with pytest.raises(RuntimeError, match="the rest is missing"):
        await client.get("/half")


def access_lines(logged: list[EventDict]) -> list[EventDict]:
    return [line for line in logged if line["event"] == "request"]


async def test_routers_are_found_whatever_prefix_and_whenever_they_are_included(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    inner, outer, late = Router(prefix="/inner"), Router(prefix="/outer"), Router()

    @inner.get("/{name}/all")
    @outer.get("")
    @late.get("/late")
    async def get() -> None: ...

    outer.include_router(inner, prefix="/x/{y}")
    app.include_router(outer, prefix="/v2")
    app.include_router(outer)

    async def found(*paths: str) -> list[int]:
        return [(await client.get(path)).status_code for path in paths]

    assert await found("/v2/outer", "/outer", "/outer/x/1/inner/ada/all", "/v2/outer/x/1/inner/ada/all") == [200] * 4
    assert await found("/", "/inner", "/inner/ada/all", "/v2/outer/inner/ada/all", "/outer/late") == [404] * 5
    outer.include_router(late)
    assert await found("/outer/late", "/v2/outer/late", "/late") == [200, 200, 404]
    assert (await client.post("/v2/outer/late")).headers["allow"] == "GET"


async def test_the_access_log_names_the_route_and_the_user(
    app: FastAPI, client: httpx.AsyncClient, logged: list[EventDict]
) -> None:
    inner, outer = Router(prefix="/inner"), Router(prefix="/outer")

    @inner.get("/{name}")
    async def get(name: str, request: Request) -> None:
        context.identify(request.scope, "user_1")

    outer.include_router(inner)
    app.include_router(outer)
    await client.get(
        "/outer/inner/ada?token=hunter2", headers={"X-Request-ID": "r1", "Authorization": "Bearer hunter2"}
    )

    (line,) = access_lines(logged)
    assert line["duration_ms"] >= 0
    assert {key: line[key] for key in ("method", "path", "route", "status", "user_id", "request_id")} == {
        "method": "GET",
        "path": "/outer/inner/ada",
        "route": "/outer/inner/{name}",
        "status": 200,
        "user_id": "user_1",
        "request_id": "r1",
    }
    assert "hunter2" not in repr(logged)


async def test_one_request_is_not_logged_under_the_user_of_another(
    app: FastAPI, client: httpx.AsyncClient, logged: list[EventDict]
) -> None:
    @app.get("/me")
    async def get(request: Request) -> None:
        context.identify(request.scope, "user_1")

    await client.get("/me")
    await client.get("/id")

    assert [line["user_id"] for line in access_lines(logged)] == ["user_1", None]


@pytest.mark.parametrize(
    "path",
    ["/webhooks/kajabi/hunter2", "/hooks/KAJABI/hunter2/more", "/a//kajabi///hunter2", "/\u0130kajabi/hunter2"],
)
async def test_a_secret_in_a_path_is_shown_nowhere(
    client: httpx.AsyncClient, logged: list[EventDict], path: str
) -> None:
    answer = await client.get(path)
    assert "hunter2" not in answer.text
    assert "hunter2" not in repr(logged)
    assert access_lines(logged)[0]["path"].endswith("/***")


async def test_levels_of_the_access_log(app: FastAPI, client: httpx.AsyncClient, logged: list[EventDict]) -> None:
    @app.get("/health/{status}")
    async def health(status: int) -> JSONResponse:
        return JSONResponse({}, status)

    for path in ("/health/200", "/health/503", "/id", "/nowhere"):
        await client.get(path)

    assert [line["level"] for line in access_lines(logged)] == ["debug", "warning", "info", "info"]


async def test_an_observer_hears_of_every_answer_by_template(client_for: ClientFor) -> None:
    heard: list[tuple[str, str, int]] = []
    app = FastAPI()
    app.add_middleware(Guard)
    app.add_middleware(
        RequestContext, observe=lambda method, route, status, _seconds: heard.append((method, route, status))
    )

    @app.get("/x/{id}")
    async def get(id: int) -> None: ...  # noqa: A002

    client = client_for(app)
    await client.get("/x/1")
    await client.get("/y")

    assert heard == [("GET", "/x/{id}", 200), ("GET", "unmatched", 404)]


async def test_a_header_added_on_the_way_is_on_whatever_answers(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/added")
    async def added(request: Request) -> None:
        context.add_header(request.scope, "X-Added", "1")
        raise problems.Conflict

    answer = await client.get("/added")
    assert (answer.status_code, answer.headers["x-added"]) == (409, "1")
