"""`elevate points seal` and `verify-seal`, and what recoveries leave in the chain."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.ops.commands import Type
from tests.seal.conftest import Entries, Superuser, proof, sealed
from tests.support.cluster import Administrator, Cluster
from tests.support.factories import Factory

from elevate_api.backups import dump, restore
from elevate_api.backups.errors import BackupFailed
from elevate_api.backups.store import Store
from elevate_api.kit.db import Address, Database
from elevate_api.points import events


@pytest.fixture
def spare(administrator: Administrator, cluster: Cluster) -> Any:
    """The address of an empty database."""
    name = administrator.create()
    yield cluster.address(name)
    administrator.drop(name)


async def test_the_command_seals_and_proves(elevate: Type, entries: Entries) -> None:
    await entries(3)
    result = elevate("points", "seal")
    assert (result.exit_code, result.stdout.startswith("3 rows sealed in 1 batches. Head: 1:")) == (0, True)
    result = elevate("points", "verify-seal")
    assert result.exit_code == 0, result.output
    assert "All of it holds: 1 batches, 3 rows" in result.stdout


async def test_the_command_names_the_first_broken_batch(
    elevate: Type, database: Database, entries: Entries, superuser: Superuser
) -> None:
    rows = await entries(8)
    await sealed(database)
    await superuser(f"UPDATE points_ledger SET delta_points = 900 WHERE id IN ('{rows[4].id}', '{rows[7].id}')")
    result = elevate("points", "verify-seal")
    assert result.exit_code == 1
    assert "batch 2: 1 rows changed" in result.stdout
    assert str(rows[4].id) in result.stdout
    assert "The seal is broken from batch 2 on" in result.stdout
    assert "batch 2" not in elevate("points", "verify-seal", "--last", "1").stdout
    assert json.loads(elevate("points", "verify-seal", "--from", "3", "--json").stdout)["broken_count"] == 1


async def test_a_head_from_elsewhere_is_held_against_the_chain(elevate: Type, entries: Entries) -> None:
    await entries(1)
    head = json.loads(elevate("points", "seal", "--json").stdout)["head"]
    assert elevate("points", "verify-seal", "--head", head).exit_code == 0
    other = elevate("points", "verify-seal", "--head", f"1:{'a' * 64}")
    assert (other.exit_code, "--head knows another batch 1" in other.stdout) == (1, True)
    assert elevate("points", "verify-seal", "--head", "nonsense").exit_code == 1


async def test_what_was_noted_is_told_apart_and_any_further_change_is_found(
    elevate: Type, database: Database, entries: Entries, superuser: Superuser
) -> None:
    rows = await entries(6)
    await sealed(database)
    await superuser(f"DELETE FROM points_ledger WHERE id = '{rows[0].id}'")
    assert elevate("points", "seal", "--accept", "--yes").exit_code == 1, "no reason given"
    assert elevate("points", "seal", "--accept", "--reason", "restored by hand", "--yes").exit_code == 0
    result = elevate("points", "verify-seal")
    assert (result.exit_code, "batch 1: 1 rows missing: noted in batch 3" in result.stdout) == (0, True)
    await superuser(f"DELETE FROM points_ledger WHERE id = '{rows[1].id}'")
    assert [one.number for one in (await proof(database)).broken] == [1]


async def test_points_recover_leaves_a_batch_that_says_so(
    elevate: Type, database: Database, factory: Factory, superuser: Superuser
) -> None:
    user = await factory.user()
    made = await factory.submission(user, "EXPLORE", "APPROVED", points_awarded=50)
    cause = events.submission_approved(made.id)
    await factory.entry(user, 50, external_event_id=cause, event_time=made.reviewed_at)
    await sealed(database)
    await superuser("DELETE FROM points_ledger")
    elevate("points", "recover", "--yes")
    async with database.session() as session:
        reasons = list((await session.scalars(text("SELECT reason FROM ledger_seals ORDER BY number"))).all())
    assert (
        reasons
        == [None, "points recover: 1 rows rebuilt, 0 corrections", "points recover: 1 rows rebuilt, 0 corrections"][
            : len(reasons)
        ]
    )
    assert len(reasons) >= 2
    found = await proof(database)
    assert [(one.number, one.missing) for one in found.broken] == [(1, 1)], "that rows went stays on record"
    assert found.waiting == 0


async def test_a_backup_carries_the_head_and_a_restore_proves_and_continues_it(
    database: Database, owner_dsn: str, spare: Address, tmp_path: Path, entries: Entries
) -> None:
    await entries(4)
    head = (await sealed(database))["head"]
    await entries(1)
    store = Store(tmp_path / "backups")
    made = await dump.create(Address.parse(owner_dsn), store)
    assert made.snapshot.seal == head
    await entries(2)
    later = await sealed(database)
    report = await restore.restore(store, restore.Source(made), spare)
    assert {"verify the ledger's seal", "seal anew"} <= report.seconds.keys()
    restored = Database(spare, pooled=False)
    async with restored.session() as session:
        batches = (
            await session.execute(text("SELECT number, row_count, reason FROM ledger_seals ORDER BY number"))
        ).all()
    assert [tuple(batch) for batch in batches[:2]] == [(1, 3, None), (2, 1, None)]
    assert (batches[2].row_count, batches[2].reason) == (1, f"restored from {made.id}")
    known = [(int(str(one).split(":")[0]), str(one).split(":")[1], "backup") for one in (head, later["head"])]
    found = await proof(restored, heads=known)
    assert (found.holds, found.rows) == (True, 5)
    await restored.dispose()


async def test_a_restore_with_another_head_than_the_manifest_says_fails(
    database: Database, owner_dsn: str, spare: Address, tmp_path: Path, entries: Entries
) -> None:
    await entries(1)
    await sealed(database)
    store = Store(tmp_path / "backups")
    made = await dump.create(Address.parse(owner_dsn), store)
    forged = made.model_copy(update={"snapshot": made.snapshot.model_copy(update={"seal": f"1:{'a' * 64}"})})
    with pytest.raises(BackupFailed, match="the ledger's seal ends with 1:"):
        await restore.restore(store, restore.Source(forged), spare)


async def test_a_backups_head_is_held_against_the_chain(
    elevate: Type, database: Database, owner_dsn: str, tmp_path: Path, entries: Entries, superuser: Superuser
) -> None:
    await entries(2)
    await sealed(database)
    await dump.create(Address.parse(owner_dsn), Store(tmp_path / "kept"))
    await superuser("UPDATE points_ledger SET delta_points = 500", "DELETE FROM ledger_seals", "DELETE FROM job_runs")
    await sealed(database)
    assert elevate("points", "verify-seal").exit_code == 0
    result = elevate("points", "verify-seal", BACKUP_DIR=str(tmp_path / "kept"))
    assert (result.exit_code, "knows another batch 1" in result.stdout) == (1, True)
