from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest
import structlog
from tests.security.world import World


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    """Without a console's coloured tracebacks, which take seconds where something fails again and again."""
    processors: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=repr)]
    structlog.configure(processors=processors)
    yield
    structlog.reset_defaults()


@pytest.fixture
async def world(owner_dsn: str) -> AsyncIterator[World]:
    connection = await asyncpg.connect(owner_dsn)
    world = World(connection)
    await world.people()
    yield world
    await connection.close()
