"""Small applications dressed like the real one, without a database."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import httpx
import pytest
import structlog
from fastapi import FastAPI
from structlog.typing import EventDict

from elevate_api.kit import problems
from elevate_api.kit.middleware import Guard, Limits, RequestContext
from elevate_api.kit.routing import Route

ClientFor = Callable[[FastAPI], httpx.AsyncClient]


@pytest.fixture
def app() -> FastAPI:
    """An application with all of the kit around it; Guard inside, RequestContext outside."""
    app = FastAPI(redirect_slashes=False)
    app.router.route_class = Route
    problems.install(app, {})
    problems.document_problems(app)
    app.add_middleware(
        Guard, limits=Limits(1000, {"/upload": 5000, "/upload/small": 10}), any_media_type=["/webhooks/"]
    )
    app.add_middleware(RequestContext, secret_after=["kajabi/"], quiet=["/health"])
    return app


@pytest.fixture
async def client_for() -> AsyncIterator[ClientFor]:
    async with AsyncExitStack() as stack:
        clients: list[httpx.AsyncClient] = []

        def make(app: FastAPI) -> httpx.AsyncClient:
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
            stack.push_async_callback(client.aclose)
            clients.append(client)
            return client

        yield make


@pytest.fixture
def client(app: FastAPI, client_for: ClientFor) -> httpx.AsyncClient:
    """Talks to `app`, whose routes the test adds before its first request."""
    return client_for(app)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> object:
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def logged() -> object:
    """The log lines of the test, as dictionaries."""
    lines: list[EventDict] = []

    def keep(_logger: object, _method: str, event: EventDict) -> EventDict:
        lines.append(event)
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, keep])
    return lines
