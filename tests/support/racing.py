"""Races: everybody starts at the same moment, every outcome is kept."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def race(*contestants: Awaitable[T]) -> list[T | BaseException]:
    """Await all of them from one starting line. Results in the order given, a failure as its exception."""
    line = asyncio.Barrier(len(contestants))

    async def run(contestant: Awaitable[T]) -> T:
        await line.wait()
        return await contestant

    return await asyncio.gather(*map(run, contestants), return_exceptions=True)
