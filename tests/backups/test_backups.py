"""Dumps, increments, restores: what was there is there again, and nothing else."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from tests.support.cluster import Administrator, Cluster
from tests.support.factories import Factory, restoring

from elevate_api.backups import contents, dump, increments, restore, service, target
from elevate_api.backups.crypto import Key
from elevate_api.backups.errors import BackupFailed, Damaged, WrongKey
from elevate_api.backups.increments import NotContinuable
from elevate_api.backups.manifest import Kind, Manifest
from elevate_api.backups.store import Store
from elevate_api.kit.db import Address, Database

KEY, OTHER = Key(b"k" * 32), Key(b"o" * 32)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "backups")


@pytest.fixture
def address(owner_dsn: str) -> Address:
    return Address.parse(owner_dsn)


@pytest.fixture
def spare(administrator: Administrator, cluster: Cluster) -> Any:
    """The address of an empty database."""
    name = administrator.create()
    yield cluster.address(name)
    administrator.drop(name)


async def rows_of(address: Address) -> dict[str, Any]:
    async with contents.connected(address) as connection:
        found = await contents.checksums(connection)
    changed_by_restoring = {"analytics_refreshes", "job_runs", "ledger_seals"}
    return {name: what for name, what in found.items() if name not in changed_by_restoring}


async def life(factory: Factory) -> None:
    """People, submissions in every state, points."""
    for number in range(6):
        user = await factory.user(name=f'Ümit "{number}"\\\t\n', cohort="2024A")
        for stage, status in (("LEARN", "APPROVED"), ("EXPLORE", "PENDING"), ("AMPLIFY", "REJECTED")):
            await factory.submission(user, stage, status)
        await factory.entry(user, 20 + number, "LEARN")


async def test_a_dump_comes_back_whole_in_a_fresh_database(
    store: Store, address: Address, spare: Address, factory: Factory
) -> None:
    await life(factory)
    before = await rows_of(address)
    made = await dump.create(address, store)
    report = await restore.restore(store, restore.Source(made), spare)
    assert await rows_of(spare) == before
    assert before["points_ledger"].rows == 6
    assert made.ledger == before["points_ledger"]
    assert list(report.seconds)[:3] == ["check the files", "schema", "data"]
    assert not [note for note in report.notes if "back" in note]


async def test_the_service_can_work_on_what_was_restored(
    store: Store, address: Address, spare: Address, factory: Factory, cluster: Cluster
) -> None:
    user = await factory.user()
    await restore.restore(store, restore.Source(await dump.create(address, store)), spare)
    service_role = Database(cluster.address(str(spare.url.database), "elevate_app"), pooled=False)
    async with service_role.session() as session:
        entry = (
            "INSERT INTO points_ledger (user_id, activity_code, source, delta_points) VALUES (:id, 'SHINE', 'FORM', 5)"
        )
        await session.execute(text(entry), {"id": user.id})
        with pytest.raises(Exception, match="permission denied"):
            async with session.begin_nested():
                await session.execute(text("DELETE FROM points_ledger"))
    await service_role.dispose()


async def test_an_increment_carries_on_from_the_dump(
    store: Store, address: Address, spare: Address, factory: Factory, owner: Database
) -> None:
    await life(factory)
    base = await dump.create(address, store)
    first = await factory.user(handle="first", email="one@school.test")
    await factory.entry(first, 15, "EXPLORE")
    learning = await factory.submission(first, "LEARN", "PENDING")
    async with restoring(owner) as session:
        # The same unique values change hands: whatever order rows are written in, this has to come out.
        await session.execute(text("UPDATE submissions SET status = 'WITHDRAWN' WHERE id = :id"), {"id": learning.id})
        await session.execute(text("UPDATE users SET handle = 'second' WHERE id = :id"), {"id": first.id})
        await session.execute(text("UPDATE users SET handle = 'first' WHERE handle = 'teacher-1'"))
        await session.execute(text("DELETE FROM app_settings WHERE key = 'attachments_per_submission'"))
    await factory.submission(first, "LEARN", "PENDING")
    before = await rows_of(address)
    made = await increments.create(address, store, base)
    report = await restore.restore(store, restore.source_of(store, made), spare)
    assert await rows_of(spare) == before
    assert "increment" in report.seconds
    assert made.size_bytes < base.size_bytes


async def test_a_transaction_that_was_open_at_the_dump_is_in_the_increment(
    store: Store, address: Address, spare: Address, factory: Factory, owner_dsn: str
) -> None:
    """It wrote before the dump and committed after it: neither its ids nor its times are new, its xmin is."""
    user = await factory.user()
    late = await asyncpg.connect(owner_dsn)
    writing = late.transaction()
    await writing.start()
    await late.execute(
        "INSERT INTO points_ledger (user_id, activity_code, source, delta_points) VALUES ($1, 'LEARN', 'FORM', 20)",
        user.id,
    )
    await factory.entry(user, 5, "SHINE")
    base = await dump.create(address, store)
    await writing.commit()
    await late.close()
    made = await increments.create(address, store, base)
    await restore.restore(store, restore.source_of(store, made), spare)
    ledger = (await rows_of(spare))["points_ledger"]
    assert base.ledger is not None
    assert (base.ledger.rows, ledger.rows) == (1, 2)
    assert ledger == (await rows_of(address))["points_ledger"]


async def test_nothing_is_lost_under_concurrent_writers(
    store: Store, address: Address, spare: Address, factory: Factory, owner_dsn: str
) -> None:
    """Writers whose transactions overlap dump and increment in every way; a last increment has all that was told."""
    users = [await factory.user() for _ in range(4)]
    acknowledged: list[str] = []
    stop = asyncio.Event()

    async def write(user: str, seed: int) -> None:
        connection = await asyncpg.connect(owner_dsn)
        number = 0
        while not stop.is_set():
            async with connection.transaction():
                for _ in range(seed + 1):
                    number += 1
                    await connection.execute(
                        "INSERT INTO points_ledger (user_id, activity_code, source, delta_points, external_event_id) "
                        "VALUES ($1, 'SHINE', 'FORM', 1, $2)",
                        user,
                        f"{user}:{number}",
                    )
                    await asyncio.sleep(0)
                await connection.execute("UPDATE users SET region = $2 WHERE id = $1", user, str(number))
            acknowledged.append(f"{user}:{number}")
        await connection.close()

    writers = [asyncio.create_task(write(user.id, seed)) for seed, user in enumerate(users)]
    base = await dump.create(address, store)
    between = await increments.create(address, store, base)
    told = list(acknowledged)
    last = await increments.create(address, store, base)
    stop.set()
    await asyncio.gather(*writers)
    for made in (between, last):
        assert made.ledger is not None
        assert base.ledger is not None
        assert made.ledger.rows > base.ledger.rows
    await restore.restore(store, restore.source_of(store, last), spare)  # compares every table with the snapshot
    async with contents.connected(spare) as connection:
        rows = await connection.fetch("SELECT external_event_id FROM points_ledger")
    assert set(told) <= {row["external_event_id"] for row in rows}


async def test_rows_that_were_deleted_from_the_ledger_come_back_with_a_note(
    store: Store, address: Address, spare: Address, factory: Factory, superuser_dsn: str
) -> None:
    user = await factory.user()
    await factory.entry(user, 20, "LEARN")
    await factory.entry(user, 5, "SHINE")
    base = await dump.create(address, store)
    superuser = await asyncpg.connect(superuser_dsn)
    await superuser.execute("SET session_replication_role = replica; DELETE FROM points_ledger WHERE delta_points = 20")
    await superuser.close()
    made = await increments.create(address, store, base)
    report = await restore.restore(store, restore.source_of(store, made), spare)
    assert "points_ledger: 1 rows that were deleted after the dump are back" in report.notes
    assert (await rows_of(spare))["points_ledger"].rows == 2


async def test_an_increment_does_not_go_on_from_another_database(
    store: Store, address: Address, spare: Address
) -> None:
    base = await dump.create(address, store)
    await restore.restore(store, restore.Source(base), spare)
    with pytest.raises(NotContinuable, match="database oid"):
        await increments.create(spare, store, base)
    assert [manifest.kind for manifest in store.list()] == [Kind.FULL]
    assert [path.name for path in store.folder.iterdir() if path.name.startswith(".")] == []


async def test_encrypted_backups_restore_with_any_of_the_keys_and_no_other(
    tmp_path: Path, address: Address, spare: Address, factory: Factory
) -> None:
    user = await factory.user(name="Siti Rahma", email="siti@school.test")
    old = Store(tmp_path / "backups", [KEY])
    base = await dump.create(address, old)
    await factory.entry(user, 10, "LEARN")
    made = await increments.create(address, old, base)
    for manifest in (base, made):
        written = old.path_of(manifest).read_bytes()
        assert b"siti" not in written
        assert manifest.encrypted
    with pytest.raises(WrongKey, match=KEY.id.hex()):
        Store(old.folder, [OTHER]).check(base)
    rotated = Store(old.folder, [OTHER, KEY])
    await restore.restore(rotated, restore.source_of(rotated, made), spare)
    assert await rows_of(spare) == await rows_of(address)


@pytest.mark.parametrize("keys", [(), (KEY,)])
async def test_a_damaged_file_is_refused_before_anything_is_written(
    tmp_path: Path, address: Address, spare: Address, keys: tuple[Key, ...]
) -> None:
    store = Store(tmp_path / "backups", keys)
    made = await dump.create(address, store)
    path = store.path_of(made)
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    for bad in (good[:-1], bytes(flipped), b"", good + b"x"):
        path.write_bytes(bad)
        with pytest.raises(Damaged):
            await restore.restore(store, restore.Source(made), spare)
    path.unlink()
    with pytest.raises(Damaged, match="gone"):
        store.check(made)
    await target.require_empty(spare)


async def test_a_restore_that_is_not_what_was_backed_up_is_refused(
    store: Store, address: Address, spare: Address, factory: Factory
) -> None:
    made = await dump.create(address, store)
    wrong = made.snapshot.model_copy(
        update={"tables": {**made.snapshot.tables, "users": made.snapshot.tables["badges"]}}
    )
    with pytest.raises(BackupFailed, match="users has 0 rows and had"):
        await restore.restore(store, restore.Source(made.model_copy(update={"snapshot": wrong})), spare)


async def test_restores_go_into_a_fresh_database_only(
    store: Store, address: Address, database_name: str, cluster: Cluster
) -> None:
    with pytest.raises(BackupFailed, match="not empty"):
        await target.require_empty(address)
    with pytest.raises(BackupFailed, match="already"):
        async with target.fresh(address, database_name):
            pytest.fail("the live database was taken for a fresh one")
    async with contents.connected(address) as connection:
        assert await connection.fetchval("SELECT count(*) FROM activities") == 5


async def test_a_failed_restore_leaves_no_database_behind(address: Address) -> None:
    name = f"half_{os.getpid()}"

    async def fail() -> None:
        async with target.fresh(address, name):
            raise BackupFailed("in the middle")

    with pytest.raises(BackupFailed):
        await fail()
    async with contents.connected(address) as connection:
        assert not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name)


async def test_the_switch_puts_the_restored_database_in_the_place_of_the_live_one(
    store: Store, cluster: Cluster, administrator: Administrator, factory: Factory, address: Address
) -> None:
    made = await dump.create(address, store)
    live = cluster.address(administrator.clone("template_bare"))
    restored = f"{live.url.database}_new"
    aside = f"{live.url.database}_old"
    async with target.fresh(live, restored) as fresh:
        await restore.restore(store, restore.Source(made), fresh)
    await target.switch(live, restored, aside)
    async with contents.connected(live) as connection:
        assert await connection.fetchval("SELECT count(*) FROM activities") == 5
    async with contents.connected(target.in_database(live, aside)) as connection:
        assert await connection.fetchval("SELECT count(*) FROM activities") == 0
    for name in (str(live.url.database), aside):
        administrator.drop(name)


@pytest.mark.parametrize(("kind", "plain"), [(Kind.SCHEMA, False), (Kind.DATA, False), (Kind.FULL, True)])
async def test_other_dumps_are_made_and_not_restored_by_mistake(
    store: Store, address: Address, kind: Kind, plain: bool
) -> None:
    made = await dump.create(address, store, kind, plain=plain)
    store.check(made)
    with pytest.raises(BackupFailed, match="only a full dump"):
        restore.source_of(store, made)
    assert service.newest_dump(store.list()) is None
    if plain:
        assert "CREATE TABLE public.points_ledger" in store.path_of(made).read_text(encoding="utf-8")


async def test_an_unwritable_or_full_folder_is_said_plainly(address: Address, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupFailed, match="cannot use"):
        await dump.create(address, Store(tmp_path / "file" / "backups"))
    with pytest.raises(BackupFailed, match="MB free"):
        Store(tmp_path / "backups").prepare(10**18)


async def test_backups_are_readable_by_their_owner_only(store: Store, address: Address) -> None:
    made = await dump.create(address, store)
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in store.folder.iterdir()} == {0o600}
    assert Manifest.model_validate(json.loads((store.folder / f"elevate-{made.id}.json").read_text())) == made


async def test_a_dump_is_made_by_the_owner_only(store: Store, app_dsn: str) -> None:
    with pytest.raises(BackupFailed, match="pg_dump failed"):
        await dump.create(Address.parse(app_dsn), store)
    assert store.list() == []
