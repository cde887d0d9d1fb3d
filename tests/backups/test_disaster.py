"""The data directory is lost. What is left: base backup and WAL, or dump and increment. Nothing may be missing."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.support.factories import Factory, restoring

from elevate_api.backups import contents, dump, increments, restore, target, wal
from elevate_api.backups.store import Store
from elevate_api.config import AppSettings, SeedSettings, Settings
from elevate_api.kit.db import Address, Database
from elevate_api.ops import migrations
from elevate_api.ops.ledger_check.verify import verify
from elevate_api.ops.roles import ensure_service_role
from elevate_api.points import events
from elevate_api.postgres import EmbeddedServer, scratch_dir
from elevate_api.postgres.postmaster import wait_until
from elevate_api.seeds import reference


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch_dir() as folder:
        yield folder


async def found_programme(address: Address) -> None:
    owner = Database(address, pooled=False)
    async with owner.session() as session:
        settings = Settings(app=AppSettings.model_validate({}), seed=SeedSettings.model_validate({}))
        await reference.seed(session, settings)
        await session.execute(text("UPDATE badges SET active = false"))
    await owner.dispose()


async def award(address: Address, people: int) -> None:
    """People with an approved submission each, its ledger row, and fresh views."""
    owner = Database(address, pooled=False)
    factory = Factory(owner)
    async with owner.session() as session:
        start = await session.scalar(text("SELECT count(*) FROM users"))
    for number in range(start, start + people):
        user = await factory.user(id=f"user_d{number}", handle=f"person-{number}", email=f"d{number}@school.test")
        reviewer = await factory.user("ADMIN", id=f"admin_{number}", handle=f"admin-{number}", email=None)
        factory._reviewer = reviewer.id
        made = await factory.submission(user, "LEARN", "APPROVED", points_awarded=20, reviewer_id=reviewer.id)
        cause = events.submission_approved(made.id)
        await factory.entry(user, 20, "LEARN", external_event_id=cause, event_time=made.reviewed_at)
    async with restoring(owner) as session:
        await session.execute(text("SELECT refresh_all_analytics()"))
    await owner.dispose()


async def state(address: Address) -> tuple[dict[str, Any], int]:
    """Contents of every table, and how many differences `elevate points verify` would report."""
    database = Database(address, pooled=False)
    async with contents.connected(address) as connection:
        found = await contents.checksums(connection)
    async with database.session() as session:
        findings = await verify(session)
    await database.dispose()
    return {
        name: what for name, what in found.items() if name not in ("analytics_refreshes", "job_runs", "ledger_seals")
    }, findings.total


async def make_role(address: Address) -> None:
    database = Database(address, pooled=False)
    async with database.session() as session:
        await ensure_service_role(session)
    await database.dispose()


def start(data_dir: Path, archive: Path) -> EmbeddedServer:
    server = EmbeddedServer(data_dir, fsync=False, settings=wal.archive_settings(archive))
    wal.prepare_archive(archive, server.layout.cluster)
    server.start()
    server.ensure_database("elevate")
    return server


def test_a_lost_data_directory_comes_back_with_nothing_missing(folder: Path) -> None:
    archive, store = folder / "archive", Store(folder / "backups")
    server = start(folder / "live", archive)
    address = Address.parse(server.dsn("elevate"))
    asyncio.run(make_role(address))
    migrations.upgrade(address)
    asyncio.run(found_programme(address))
    asyncio.run(award(address, 3))
    base = asyncio.run(dump.create(address, store))
    wal.base_backup(Address.parse(server.superuser_dsn()), folder / "bases")
    asyncio.run(award(address, 3))
    increment = asyncio.run(increments.create(address, store, base))
    before = asyncio.run(state(address))
    segment = server.psql("SELECT pg_walfile_name(pg_switch_wal())")
    assert wait_until((archive / segment).is_file, 30)
    server.stop("immediate")
    shutil.rmtree(folder / "live")

    # By WAL: the server as it was.
    wal.recover(folder / "bases", archive, folder / "by-wal", None)
    with EmbeddedServer(folder / "by-wal", fsync=False) as recovered:
        assert asyncio.run(state(Address.parse(recovered.dsn("elevate")))) == before

    # By dump and increment: another cluster, which knows nothing yet, not even the service's role.
    with EmbeddedServer(folder / "by-dump", fsync=False) as fresh:
        new = Address.parse(fresh.dsn("postgres"))

        async def bring_back() -> None:
            async with target.fresh(new, "elevate") as empty:
                report = await restore.restore(store, restore.source_of(store, increment), empty)
            assert report.notes == []

        asyncio.run(bring_back())
        after = asyncio.run(state(Address.parse(fresh.dsn("elevate"))))
    assert after == before
    assert before[1] == 0
    assert before[0]["points_ledger"].rows == 6
