"""`elevate backup ...` and what administrators see of it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster import Cluster
from tests.support.factories import Factory
from typer.testing import CliRunner, Result

from elevate_api.backups import service
from elevate_api.backups.jobs import jobs
from elevate_api.cli.commands import app
from elevate_api.config import BackupSettings, Settings
from elevate_api.kit.db import Database

Type = Callable[..., Result]


@pytest.fixture
def elevate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, owner_dsn: str) -> Type:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", owner_dsn)
    monkeypatch.setenv("BACKUP_DIR", str(tmp_path / "backups"))

    def elevate(*arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(app, ["backup", *arguments], input=typed)

    return elevate


def test_a_backup_goes_the_whole_way(elevate: Type, cluster: Cluster, tmp_path: Path, owner_dsn: str) -> None:
    assert "no backups in" in elevate("list").stdout
    made = json.loads(elevate("create", "--json").stdout)
    assert (made["kind"], made["encrypted"], made["snapshot"]["tables"]["activities"]["rows"]) == ("full", False, 5)
    assert "-increment-" in elevate("create", "--increment").stdout
    listed = json.loads(elevate("list", "--json").stdout)
    assert [one["kind"] for one in listed] == ["full", "increment"]
    assert elevate("verify", "--all").stdout.count(": good") == 2

    name = f"restored_{tmp_path.name.replace('-', '_')}"[:60].lower()
    restored = elevate("restore", "--into", name)
    assert restored.exit_code == 0, restored.output
    assert f"Restored into {name}" in restored.stdout
    assert f"give DATABASE_URL and DIRECT_URL the database {name}" in restored.stdout
    assert "already: restores go into a fresh one" in elevate("restore", "--into", name).stderr
    live = elevate("restore", "--into", owner_dsn)
    assert live.exit_code == 1
    assert "not empty" in live.stderr

    Path(tmp_path / "backups" / made["file"]).write_bytes(b"no dump")
    assert elevate("verify", made["id"]).exit_code == 1
    assert elevate("restore", "--into", "never").exit_code == 1
    assert elevate("restore", "20200101T000000Z-full-0000").stderr.startswith("elevate: there is no backup")


def test_a_drill_prints_each_step_and_each_objective(elevate: Type) -> None:
    elevate("create")
    drill = elevate("drill")
    assert drill.exit_code == 0, drill.output
    for words in ("backup", "data", "verify points", "Point data", "Data recovery", "yes"):
        assert words in drill.stdout
    again = json.loads(elevate("drill", "--json").stdout)
    assert again["ok"]
    assert again["recoveryTimeSeconds"] == pytest.approx(sum(again["steps"].values()) - again["steps"]["backup"])
    assert 0 < again["recoveryPointSeconds"] < 600


def test_pruning_asks_and_keeps_the_newest_of_the_day(elevate: Type) -> None:
    for _ in range(3):
        elevate("create")
    assert elevate("prune", typed="n\n").exit_code == 1
    assert len(json.loads(elevate("list", "--json").stdout)) == 3
    newest = json.loads(elevate("list", "--json").stdout)[-1]["id"]
    assert elevate("prune", "--yes").exit_code == 0
    assert [one["id"] for one in json.loads(elevate("list", "--json").stdout)] == [newest]


def test_what_cannot_be_together_is_refused(elevate: Type) -> None:
    assert elevate("create", "--schema-only", "--data-only").exit_code == 1
    assert elevate("create", "--increment").stderr.startswith("elevate: an increment needs a dump")
    assert "BACKUP_WAL_ARCHIVE" in elevate("restore", "--to", "2026-01-01T00:00:00Z").stderr


async def test_administrators_see_backups_and_drills(
    elevate: Type, as_user: Callable[..., Awaitable[Any]], factory: Factory
) -> None:
    admin = await as_user("ADMIN")
    assert (await admin.get("/api/admin/ops/backups")).json() == {"backups": [], "drills": []}
    await asyncio.to_thread(elevate, "create")
    await asyncio.to_thread(elevate, "drill")
    seen = (await admin.get("/api/admin/ops/backups")).json()
    [backup], [drill] = seen["backups"], seen["drills"]
    assert (backup["ok"], backup["kind"], backup["triggeredBy"]) == (True, "full", "cli")
    assert {objective["objective"] for objective in drill["objectives"]} >= {"Point data", "Data recovery"}
    assert drill["steps"]["data"] >= 0
    assert (await admin.get("/api/admin/ops/backups", params={"limit": 0})).status_code == 422


async def test_the_schedule_dumps_then_increments_then_rests(
    settings: Settings, database: Database, tmp_path: Path, factory: Factory
) -> None:
    assert jobs(settings) == []
    values = {"BACKUP_DIR": tmp_path / "backups", "BACKUP_INCREMENT_SECONDS": 60}
    configured = settings.model_copy(update={"backups": BackupSettings.model_validate(values)})
    [job] = jobs(configured)
    store = service.open_store(configured)
    kinds = []
    for age in (timedelta(0), timedelta(minutes=2), timedelta(0), timedelta(hours=25)):
        for made in store.list():
            past = made.snapshot.model_copy(update={"taken_at": made.snapshot.taken_at - age})
            store.add(made.model_copy(update={"snapshot": past}))
        before = {made.id for made in store.list()}
        await job.run(database)
        kinds.append([str(made.kind) for made in store.list() if made.id not in before])
    assert kinds == [["full"], ["increment"], [], ["full"]]
