"""The live schema as SQL: what pg_dump says, for the eyes and for a diff."""

import asyncio

import asyncpg

from elevate_api.backups import tools
from elevate_api.kit.db import Address

OPTIONS = ("--schema-only", "--no-owner", "--no-publications", "--no-subscriptions", "--no-password", "--schema=public")


async def dump(address: Address) -> str:
    """Raises ProcedureFailed where no pg_dump of the server's version is found."""
    connection = await asyncpg.connect(**address.driver_arguments())
    try:
        major = connection.get_server_version().major
    finally:
        await connection.close()
    return await asyncio.to_thread(_run, address, major)


def _run(address: Address, major: int) -> str:
    dsn, environment = tools.connection(address)
    parts: list[bytes] = []
    tools.pump_out(tools.find("pg_dump", major), [*OPTIONS, f"--dbname={dsn}"], environment, parts.append)
    return b"".join(parts).decode()
