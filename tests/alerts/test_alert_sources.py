"""The rules whose facts are the runs of other jobs: invariants and backups."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.alerts.conftest import Watch
from tests.alerts.test_conditions import FIRED, OVER, as_owner

from elevate_api.alert_sources import alert_sources
from elevate_api.config import BackupSettings, Settings
from elevate_api.kit.db import Database
from elevate_api.ops.invariants import service as invariants

DAY = 24 * 60


@pytest.fixture
def watched(settings: Settings, another_watch: Callable[..., Watch], tmp_path: Path) -> Watch:
    backups = BackupSettings.model_validate({"BACKUP_DIR": str(tmp_path)})
    return another_watch(sources=alert_sources(settings.model_copy(update={"backups": backups})))


async def backed_up(owner: Database, watch: Watch, kind: str | None, minutes: float) -> None:
    await as_owner(
        owner,
        "INSERT INTO job_runs (name, triggered_by, started_at, finished_at, ok, outcome) "
        "VALUES ('backup', 'test', CAST(:at AS timestamptz), CAST(:at AS timestamptz), true, CAST(:outcome AS jsonb))",
        at=watch.at(minutes),
        outcome=json.dumps({"ok": True, "kind": kind}),
    )


async def test_data_that_contradict_each_other_fire_until_a_check_finds_them_well(
    watched: Watch, database: Database, owner: Database
) -> None:
    assert await watched.told("invariant_violated", 0) == []
    await as_owner(
        owner,
        "INSERT INTO users (id, handle) VALUES ('user_1', 'one')",
        "INSERT INTO points_ledger (user_id, activity_code, source, delta_points, external_event_id) "
        "VALUES ('user_1', 'EXPLORE', 'FORM', 50, 'submission:0198f2a4-7c1e-7b3a-9d54-2f6f0f3a1c11:approved:v1')",
    )
    result = await invariants.run(database, "test")
    assert result.outcome is not None
    assert not result.outcome["ok"]
    assert await watched.told("invariant_violated", 1) == FIRED
    sound: dict[str, Any] = {"ok": True, "checks": []}
    await as_owner(
        owner,
        "INSERT INTO job_runs (name, triggered_by, finished_at, ok, outcome) "
        "VALUES ('daily-health', 'test', now(), true, CAST(:outcome AS jsonb))",
        outcome=json.dumps(sound),
    )
    assert await watched.told("invariant_violated", 2) == OVER


async def test_a_backup_is_overdue_a_while_after_its_schedule(watched: Watch, owner: Database) -> None:
    rule = "backup_overdue"
    await watched.look(0)
    await backed_up(owner, watched, "full", 0)
    await backed_up(owner, watched, None, 50)  # a run that found nothing due is no backup
    assert await watched.told(rule, 59) == []
    assert await watched.told(rule, 61) == FIRED  # increments come every 45 minutes
    await backed_up(owner, watched, "increment", 62)
    assert await watched.told(rule, 63) == OVER

    await backed_up(owner, watched, "increment", DAY + 14)
    assert await watched.told(rule, DAY + 14) == OVER
    assert await watched.told(rule, DAY + 16) == [*OVER, "firing"]  # the dump is what is missing now
    await backed_up(owner, watched, "full", DAY + 17)
    assert await watched.told(rule, DAY + 18) == [*OVER, *OVER]


async def test_a_first_backup_that_never_comes_is_overdue_too(watched: Watch) -> None:
    await watched.look(0)
    assert await watched.told("backup_overdue", 55) == []
    assert await watched.told("backup_overdue", 62) == FIRED


async def test_without_a_schedule_nothing_is_overdue(settings: Settings, another_watch: Callable[..., Watch]) -> None:
    watch = another_watch(sources=alert_sources(settings))
    await watch.look(0)
    assert await watch.told("backup_overdue", 10 * DAY) == []
