import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import httpx
import pytest
import structlog
from sqlalchemy import text
from tests.kajabi.deliveries import OTHER_SECRET, OTHER_TOKEN, SECRET, TOKEN, URL

from elevate_api.config import KajabiSettings, Settings
from elevate_api.kit.db import Database

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]
Deliver = Callable[..., Coroutine[Any, Any, httpx.Response]]


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    """Without a console's coloured tracebacks, which take seconds; and as they were afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    processors: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=repr)]
    structlog.configure(processors=processors)
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def settings(settings: Settings) -> Settings:
    kajabi = {
        "KAJABI_WEBHOOK_TOKENS": f"{TOKEN}, {OTHER_TOKEN}",
        "KAJABI_WEBHOOK_SECRET": f"{SECRET}, {OTHER_SECRET}",
    }
    return settings.model_copy(update={"kajabi": KajabiSettings.model_validate(kajabi)})


@pytest.fixture
def rows(owner: Database) -> Rows:
    """`await rows("SELECT ...")`, as dictionaries."""

    async def select(statement: str, **parameters: Any) -> list[dict[str, Any]]:
        async with owner.session() as session:
            return [dict(row) for row in (await session.execute(text(statement), parameters)).mappings()]

    return select


@pytest.fixture
def events(rows: Rows) -> Callable[[], Awaitable[list[dict[str, Any]]]]:
    """Every stored event, the oldest first."""

    async def select() -> list[dict[str, Any]]:
        return await rows("SELECT * FROM kajabi_events ORDER BY created_at, id")

    return select


@pytest.fixture
def ledger(rows: Rows) -> Callable[..., Awaitable[list[tuple[Any, ...]]]]:
    """(person, points, name of the cause) of every row that came by the webhook."""

    async def select() -> list[tuple[Any, ...]]:
        found = await rows(
            "SELECT user_id, delta_points, external_event_id FROM points_ledger WHERE source = 'WEBHOOK' ORDER BY id"
        )
        return [tuple(row.values()) for row in found]

    return select


@pytest.fixture
def deliver(client: httpx.AsyncClient) -> Deliver:
    async def post(body: bytes, url: str = URL, **headers: str) -> httpx.Response:
        return await client.post(url, content=body, headers=headers)

    return post
