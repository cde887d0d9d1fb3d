"""What is counted after a commit is what was committed."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.kit.db import Database
from elevate_api.kit.metrics import after_commit


async def test_a_committed_change_is_counted_once(database: Database) -> None:
    counted: list[str] = []
    async with database.session() as session:
        await session.execute(text("SELECT 1"))
        after_commit(session, lambda: counted.append("in"))
        assert counted == []
    assert counted == ["in"]


async def test_a_transaction_that_fails_counts_nothing(database: Database) -> None:
    counted: list[str] = []

    async def fail() -> None:
        async with database.session() as session:
            await session.execute(text("SELECT 1"))
            after_commit(session, lambda: counted.append("in"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert counted == []


async def test_a_savepoint_counts_only_when_it_and_its_transaction_are_kept(database: Database) -> None:
    counted: list[str] = []

    async def fail(session: AsyncSession) -> None:
        async with session.begin_nested():
            async with session.begin_nested():
                await session.execute(text("SELECT 1"))
                after_commit(session, lambda: counted.append("lost inside"))
            after_commit(session, lambda: counted.append("lost"))
            raise ZeroDivisionError

    async with database.session() as session:
        async with session.begin_nested():
            after_commit(session, lambda: counted.append("kept"))
        assert counted == []
        with pytest.raises(ZeroDivisionError):
            await fail(session)
        after_commit(session, lambda: counted.append("outside"))
    assert sorted(counted) == ["kept", "outside"]
