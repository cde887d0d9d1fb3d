"""A ledger with rows, and the means to do to it what nobody may."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text
from tests.ops.commands import behind_the_back, elevate
from tests.support.factories import Factory

from elevate_api.kit.db import Database
from elevate_api.points.models import LedgerEntry
from elevate_api.seal import service
from elevate_api.seal.verify import Proof, verify

__all__ = ["elevate"]

Superuser = Callable[..., Awaitable[None]]
Entries = Callable[..., Awaitable[list[LedgerEntry]]]


@pytest.fixture
def superuser(superuser_dsn: str) -> Superuser:
    """`await superuser("DELETE FROM points_ledger")`: behind the triggers' back."""

    async def run(*statements: str) -> None:
        await behind_the_back(superuser_dsn, *statements)

    return run


@pytest.fixture
def entries(factory: Factory) -> Entries:
    """`await entries(3)`: so many new rows of the ledger."""

    async def add(count: int) -> list[LedgerEntry]:
        user = await factory.user()
        return [await factory.entry(user, 10 + number) for number in range(count)]

    return add


async def sealed(database: Database, **options: object) -> dict[str, object]:
    """Seal as the service does; batches of three unless said otherwise."""
    result = await service.seal(database, "test", **{"batch": 3, **options})  # type: ignore[arg-type]
    assert result.outcome is not None
    return result.outcome


async def nobody_is_late(database: Database) -> None:
    """Until every transaction of the cluster that may have begun by now has ended, those of other tests too.

    A sweep may look no further before that: it knows of transactions and not of which database they are in.
    """
    async with database.session() as session:
        last = await session.scalar(text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"))
    oldest = -1
    async with asyncio.timeout(60):
        while oldest < last:
            await asyncio.sleep(0.01)
            async with database.session() as session:
                oldest = await session.scalar(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"))


async def proof(database: Database, **options: object) -> Proof:
    return await verify(database, **options)  # type: ignore[arg-type]
