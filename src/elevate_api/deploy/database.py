"""What a deploy does with the database, each a step that answers a sentence."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy import text

from elevate_api.analytics import service as analytics
from elevate_api.backups import restore, target
from elevate_api.backups import service as backups
from elevate_api.backups.manifest import Kind, Manifest
from elevate_api.backups.store import Store
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Address, Database
from elevate_api.kit.procedures import ProcedureFailed
from elevate_api.ops import migrations, schema_check
from elevate_api.ops.ledger_check.verify import verify
from elevate_api.ops.migrations import MigrationState

T = TypeVar("T")

OLDEST_MAJOR = 15
TOLD = 3
"""Differences that are told; `elevate db check` and `elevate points verify` name all."""

_SERVER = text("""
SELECT current_setting('server_version_num')::int, current_setting('server_version'), pg_is_in_recovery()
""")


def connection(address: Address) -> str:
    """The owner's connection: can be made, keeps its session, is no standby, is new enough."""

    async def ask(database: Database) -> tuple[int, str, bool]:
        async with database.session() as session:
            number, version, standby = (await session.execute(_SERVER)).one()
        return number, version, standby

    number, version, standby = _with(address, ask)
    if standby:
        raise ProcedureFailed("this is a standby: nothing can be migrated there")
    if number // 10_000 < OLDEST_MAJOR:
        raise ProcedureFailed(f"PostgreSQL {version} is older than {OLDEST_MAJOR}")
    return f"PostgreSQL {version}, database {address.url.database}"


def migration_state(address: Address) -> MigrationState:
    async def ask(database: Database) -> str | None:
        async with database.session() as session:
            return await migrations.read_current(session)

    return migrations.state_of(_with(address, ask))


def may_migrate(address: Address) -> str:
    state = migration_state(address)
    if state.ahead:
        raise ProcedureFailed(
            f"the database is at {state.current}, which this version does not know: a newer one was deployed before"
        )
    return f"at {state.current or 'nothing'}, pending: {', '.join(state.pending) or 'none'}"


def schema(address: Address) -> str:
    """The live schema is what the migrations up to its revision make."""

    async def ask(database: Database) -> list[str]:
        async with database.engine.connect() as connection:
            return await schema_check.differences(connection)

    if migration_state(address).current is None:
        return "nothing was migrated yet"
    found = _with(address, ask)
    if found:
        raise ProcedureFailed(f"{len(found)} differences from the migrations: " + "; ".join(found[:TOLD]))
    return "as the migrations make it"


def integrity(address: Address) -> str:
    """Ledger, decisions, grants and badges agree."""

    async def ask(database: Database) -> tuple[int, int, list[str]]:
        async with database.session() as session:
            findings = await verify(session, keep=TOLD, views=False)
        return findings.total, findings.rows, [f"{one.area} {one.kind} {one.subject}" for one in findings.first]

    if migration_state(address).current is None:
        return "nothing was migrated yet"
    total, rows, first = _with(address, ask)
    if total:
        raise ProcedureFailed(f"{total} differences between ledger and causes: " + "; ".join(first))
    return f"{rows:,} ledger rows agree with their causes"


def migrate(address: Address) -> str:
    state = migration_state(address)
    migrations.upgrade(address)
    return f"{', '.join(state.pending) or 'nothing to apply'}; at {state.head}"


def refresh(address: Address) -> str:
    async def work(database: Database) -> str:
        result = await analytics.refresh(database, "deploy")
        if result.outcome is None:
            return f"another process is refreshing (run {result.job_id})"
        failed = [view["view"] for view in result.outcome["views"] if not view["ok"]]
        if failed:
            raise ProcedureFailed(f"could not refresh {', '.join(failed)}")
        return f"{len(result.outcome['views'])} views"

    return _with(address, work)


def back_up(address: Address, store: Store) -> Manifest:
    async def work(database: Database) -> Manifest:
        return await backups.create(database, address, store, "deploy", Kind.FULL)

    return _with(address, work)


def rehearse(address: Address, store: Store, manifest: Manifest) -> str:
    """Restore the backup into a scratch database and migrate that: the migration meets production's own rows."""

    async def work() -> restore.Report:
        name = f"elevate_rehearsal_{utcnow():%Y%m%d%H%M%S}_{secrets.token_hex(2)}"
        async with target.fresh(address, name) as scratch:
            report = await restore.restore(store, restore.Source(manifest), scratch)
        await target.drop(address, name)
        return report

    report = asyncio.run(work())
    return f"{manifest.id} restored in {report.total:.1f} s and migrated to {report.migration}"


def _with(address: Address, work: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        database = Database(address, pooled=False)
        try:
            return await work(database)
        finally:
            await database.dispose()

    return asyncio.run(run())
