"""Waiting for what gives no event: another process, a server, a row."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable

from sqlalchemy import text

from elevate_api.kit.db import Database


async def until(condition: Callable[[], object | Awaitable[object]], *, seconds: float = 20) -> None:
    """Ask again and again until the answer is true; TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            answer = condition()
            if await answer if isawaitable(answer) else answer:
                return
            await asyncio.sleep(0.01)


async def waits_for_a_lock(database: Database, *, many: int = 1) -> None:
    """Until so many transactions on the server do."""

    async def waiting() -> bool:
        async with database.session() as session:
            found = await session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
            return int(found or 0) >= many

    await until(waiting)
