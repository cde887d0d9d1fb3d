"""A service on a server of its own, which tests freeze, kill and cut off."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import FastAPI
from tests.support.cluster import migrate, seed

from elevate_api.app import create_app
from elevate_api.config import Settings
from elevate_api.kit.bounds import Limits
from elevate_api.kit.db import Address, Database
from elevate_api.postgres import EmbeddedServer, ephemeral

LIMITS = Limits(statement=1, lock=0.7, idle=3, transaction=3)
"""Short, so that tests are, for those in which a limit strikes."""
ROOMY = Limits(statement=60, lock=60, idle=60, transaction=60)
"""For those in which none may, however busy the machine is."""
POOL = 4
POOL_TIMEOUT = 3.0


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    with ephemeral() as server:
        server.psql("CREATE ROLE elevate_app LOGIN")
        server.create_database("faults")
        owner = Address.parse(server.dsn("faults"))
        migrate(owner)

        async def prepare() -> None:
            database = Database(owner, pooled=False)
            await seed(database)
            await database.dispose()

        asyncio.run(prepare())
        yield server


@pytest.fixture
def limits() -> Limits:
    return LIMITS


@pytest.fixture
async def service_database(server: EmbeddedServer, limits: Limits) -> AsyncIterator[Database]:
    """The service's own pool: four connections, short limits, room for four who wait."""
    address = Address.parse(server.dsn("faults", "elevate_app"))
    patience = POOL_TIMEOUT if limits is LIMITS else ROOMY.statement
    database = Database(address, pool_size=POOL, pool_timeout=patience, limits=limits, max_waiting=POOL)
    yield database
    await database.dispose()


@pytest.fixture
async def owner_database(server: EmbeddedServer) -> AsyncIterator[Database]:
    database = Database(Address.parse(server.dsn("faults")), pooled=False)
    yield database
    await database.dispose()


@pytest.fixture
async def bounded_app(service_database: Database, settings: Settings) -> AsyncIterator[FastAPI]:
    app = create_app(settings, service_database)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def bounded(bounded_app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(bounded_app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=30) as client:
        yield client
