"""Runs migrations: one deploy at a time, never waiting long on a lock, access rules put back afterwards."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from elevate_api.addresses import direct_address
from elevate_api.config import Settings
from elevate_api.kit.db import Address
from elevate_api.kit.orm import Base
from elevate_api.kit.sqlfiles import migrations_dir
from elevate_api.models import MODELS

assert MODELS  # imported for the tables that they register on Base  # noqa: S101

# Two deploys wait for each other; the lock is the transaction's, so a killed deploy leaves nothing behind.
MIGRATION_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('elevate:migrate', 0))"
# A migration that cannot get its lock gives up instead of queueing every request of the service behind it.
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '10s'"
# Generous: building an index over everything takes long. It ends what would otherwise hold its locks for ever.
STATEMENT_TIMEOUT = "SET LOCAL statement_timeout = '30min'"
# Indexes that need an extension, so that a database may be right with them and without.
WHERE_POSSIBLE = frozenset({"users_search_idx", "users_school_search_idx"})


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        include_name=lambda name, kind, _parents: not (kind == "index" and name in WHERE_POSSIBLE),
        compare_server_default=False,  # PostgreSQL prints defaults its own way; the tests compare them by effect
    )
    with context.begin_transaction():
        connection.execute(text(MIGRATION_LOCK))
        connection.execute(text(LOCK_TIMEOUT))
        connection.execute(text(STATEMENT_TIMEOUT))
        context.run_migrations()
        access = (migrations_dir() / "sql" / "access.sql").read_text(encoding="utf-8")
        connection.exec_driver_sql(access)


async def connect_and_run(address: Address) -> None:
    engine = create_async_engine(address.url, connect_args=address.connect_args, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
            await connection.commit()
    finally:
        await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(connect_and_run(context.config.attributes.get("address") or direct_address(Settings.load())))
