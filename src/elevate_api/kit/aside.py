"""Work beside the pool: a connection for one short piece of it, bounded whatever the server does.

For what must see the database when the pool is full, or find out that the database does not answer at all.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg

from elevate_api.kit.db import Address

T = TypeVar("T")
CLOSE_SECONDS = 1.0


class NoAnswer(ConnectionError):
    """The database did not answer in time."""


async def aside(
    address: Address, name: str, work: Callable[[Any], Awaitable[T]], *, seconds: float, connect_seconds: float = 5
) -> T:
    """Open a connection called `name`, give it to `work`, close it; NoAnswer after `seconds` over all.

    Raises what the driver raises when the connection cannot be opened, and what `work` raises.
    """
    holder: list[Any] = []

    async def run() -> T:
        connection = await _connect(address, name, connect_seconds)
        holder.append(connection)
        try:
            return await work(connection)
        finally:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=CLOSE_SECONDS)

    task = asyncio.create_task(run())
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        await _abandon(task, holder)
        raise
    if not done:
        await _abandon(task, holder)
        raise NoAnswer(f"no answer within {seconds:g} seconds")
    return task.result()


async def _connect(address: Address, name: str, seconds: float) -> Any:
    arguments = address.driver_arguments()
    named = {**arguments.pop("server_settings", {}), "application_name": name}
    return await asyncpg.connect(**{**arguments, "timeout": seconds}, server_settings=named)


async def _abandon(task: "asyncio.Task[Any]", holder: list[Any]) -> None:
    """Break the connection off first: a query that is cancelled has asyncpg ask the silent server to cancel it."""
    for connection in holder:
        connection.terminate()
    await asyncio.wait({task}, timeout=0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
