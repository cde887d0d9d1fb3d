"""How the checks are run: by the command, by the daily job, and where the results stay."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.invariants.conftest import Superuser
from tests.ops.commands import Type, elevate
from tests.support.factories import Factory

from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database
from elevate_api.ops.invariants import INVARIANTS, service
from elevate_api.ops.invariants.jobs import run_when_due

__all__ = ["elevate"]


def test_every_invariant_has_a_file_and_a_test_of_its_name() -> None:
    files = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert {one.name for one in INVARIANTS} == files - {"runs"}
    assert {type(one).__module__.rpartition(".")[2] for one in INVARIANTS} == {one.name for one in INVARIANTS}


async def test_the_command_keeps_what_it_found(elevate: Type, superuser: Superuser, database: Database) -> None:
    assert elevate("analytics", "refresh").exit_code == 0
    assert elevate("check").exit_code == 0
    await superuser("INSERT INTO submissions (user_id, activity_code, payload) VALUES ('nobody', 'SHINE', '{}')")
    result = elevate("check", "--json")
    assert result.exit_code == 1
    wrong = [one for one in json.loads(result.stdout)["checks"] if not one["ok"]]
    assert [(one["name"], one["count"]) for one in wrong] == [("submissions_have_people", 1)]
    async with database.session() as session:
        last = await service.last_run(session)
        assert await session.scalar(text("SELECT count(*) FROM job_runs WHERE name = 'daily-health' AND NOT ok")) == 1
    assert last is not None
    assert [one["count"] for one in last.checks if not one["ok"]] == [1]


async def test_a_warning_alone_is_no_failure(elevate: Type, factory: Factory) -> None:
    await factory.user()
    result = elevate("check", "somebody_is_superadmin")
    assert (result.exit_code, "warning: 1" in result.stdout) == (0, True)


def test_an_unknown_check_is_refused_and_the_known_are_listed(elevate: Type) -> None:
    assert elevate("check", "everything").exit_code == 2
    assert all(one.name in elevate("check", "--list").stdout for one in INVARIANTS)


async def test_a_check_that_cannot_run_says_so_and_stops_no_other(database: Database, superuser: Superuser) -> None:
    await superuser("DROP TABLE submission_attachments CASCADE")
    outcome = (await service.run(database, "test")).outcome
    assert outcome is not None
    broken = [one for one in outcome["checks"] if "error" in one]
    assert [one["name"] for one in broken] == ["attachments_have_submissions"]
    assert not outcome["ok"]
    assert len(outcome["checks"]) == len(INVARIANTS)


@pytest.mark.parametrize(("hours", "runs"), [(1, 1), (24, 2)])
async def test_the_job_runs_once_a_day_over_all_processes(
    database: Database, owner: Database, hours: int, runs: int
) -> None:
    await run_when_due(database)
    async with owner.session() as session:
        ended = utcnow() - timedelta(hours=hours)
        await session.execute(text("UPDATE job_runs SET finished_at = :at, started_at = :at"), {"at": ended})
    await run_when_due(database)
    async with owner.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM job_runs")) == runs
