"""Each invariant in turn: silent on a believable programme, loud about what a superuser did to it."""

from collections.abc import Awaitable, Callable
from zoneinfo import ZoneInfo

import pytest
from tests.ops.commands import behind_the_back

from elevate_api.analytics import service as analytics
from elevate_api.kit.db import Database
from elevate_api.ops.invariants import INVARIANTS
from elevate_api.ops.invariants.base import Invariant, Violations
from elevate_api.seeds import demo

Superuser = Callable[..., Awaitable[None]]
Look = Callable[[str], Awaitable[Violations]]
BY_NAME: dict[str, Invariant] = {one.name: one for one in INVARIANTS}


@pytest.fixture
def superuser(superuser_dsn: str) -> Superuser:
    async def run(*statements: str) -> None:
        await behind_the_back(superuser_dsn, *statements)

    return run


@pytest.fixture
def look(database: Database) -> Look:
    """As the service's role, by which the daily job looks."""

    async def find(name: str) -> Violations:
        async with database.session() as session:
            return await BY_NAME[name].find(session)

    return find


@pytest.fixture
async def programme(owner: Database, database: Database) -> None:
    async with owner.session() as session:
        await demo.seed(session, ZoneInfo("Asia/Jakarta"))
    await analytics.refresh(database, "test")
