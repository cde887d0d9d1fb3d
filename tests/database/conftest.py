"""Bare connections to this test's database: the rules are tried in SQL, without the service."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import asyncpg
import pytest
from tests.support.cluster import OWNER, SERVICE, Cluster
from tests.support.sql import Connection, add_person

Connect = Callable[..., Awaitable[Connection]]


@pytest.fixture
async def connect(cluster: Cluster, database_name: str) -> AsyncIterator[Connect]:
    """`await connect()` or `connect("elevate")`: a connection to this test's database, closed afterwards."""
    async with AsyncExitStack() as stack:

        async def connect_as(role: str = SERVICE, database: str = database_name) -> Connection:
            connection: Connection = await asyncpg.connect(cluster.dsn(database, role))
            stack.push_async_callback(connection.close)
            return connection

        yield connect_as


@pytest.fixture
async def service(connect: Connect) -> Connection:
    """As the service's role."""
    return await connect(SERVICE)


@pytest.fixture
async def operator(connect: Connect) -> Connection:
    """As the owner of the tables."""
    return await connect(OWNER)


@pytest.fixture(params=[SERVICE, OWNER])
async def anybody(request: pytest.FixtureRequest, connect: Connect) -> Connection:
    """Once as the service, once as the owner: a rule for both."""
    return await connect(request.param)


@pytest.fixture
async def person(service: Connection) -> str:
    return await add_person(service, "ayu")


@pytest.fixture
async def reviewer(service: Connection) -> str:
    return await add_person(service, "rina", "REVIEWER")
