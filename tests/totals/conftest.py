from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import asyncpg
import pytest
from tests.support.cluster import OWNER, Cluster
from tests.support.sql import Connection


@pytest.fixture
async def connect(cluster: Cluster, database_name: str) -> AsyncIterator[Callable[..., Awaitable[Connection]]]:
    """`await connect()`: a connection to this test's database as the owner, closed afterwards."""
    async with AsyncExitStack() as stack:

        async def connect_as(role: str = OWNER) -> Connection:
            connection: Connection = await asyncpg.connect(cluster.dsn(database_name, role))
            stack.callback(connection.terminate)
            return connection

        yield connect_as


@pytest.fixture
async def line(connect: Callable[..., Awaitable[Connection]]) -> Connection:
    return await connect()
