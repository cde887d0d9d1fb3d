"""`elevate alerts`, as it is typed."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import typer
from tests.alerts.conftest import Watch
from tests.alerts.test_conditions import as_owner
from tests.support.sink import HttpSink
from typer.testing import CliRunner, Result

from elevate_api.alerts.rules import Name
from elevate_api.cli import alerts
from elevate_api.cli.errors import ElevateGroup
from elevate_api.kit.db import Database

Type = Callable[..., Result]
FAILED_RUN = "INSERT INTO job_runs (name, triggered_by, finished_at, ok) VALUES ('migrate', 'test', now(), false)"


@pytest.fixture
def elevate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, app_dsn: str, sink: HttpSink) -> Type:
    app = typer.Typer(cls=ElevateGroup)
    app.add_typer(alerts.app)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", app_dsn)
    monkeypatch.setenv("ALERT_WEBHOOK_URL", f"{sink.url}/hook")

    def elevate(*arguments: str) -> Result:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(CliRunner().invoke, app, ["alerts", *arguments]).result()

    return elevate


def test_a_healthy_service_evaluates_to_nothing_open(elevate: Type, sink: HttpSink) -> None:
    result = elevate("evaluate")
    assert (result.exit_code, sink.received) == (0, [])
    listed = json.loads(elevate("list", "--json").stdout)
    assert [alert["rule"] for alert in listed] == sorted(Name)


async def test_evaluating_tells_and_its_exit_code_says_so(elevate: Type, sink: HttpSink, owner: Database) -> None:
    await as_owner(owner, FAILED_RUN)
    assert elevate("evaluate").exit_code == 1
    assert sink.of("migration_failure") == ["firing"]
    listed = json.loads(elevate("list", "--state", "firing", "--json").stdout)
    assert [alert["rule"] for alert in listed] == ["migration_failure"]

    assert "acknowledged" in elevate("ack", "migration_failure").stdout
    again = elevate("ack", "migration_failure")
    assert (again.exit_code, "ACKNOWLEDGED" in elevate("list").stdout) == (1, True)
    assert "Only an alert that is FIRING" in again.stderr


async def test_silences_are_made_shown_and_ended(elevate: Type, sink: HttpSink, owner: Database, watch: Watch) -> None:
    assert "migration_failure is silent" in elevate("silence", "migration_failure", "--for", "30").stdout
    await as_owner(owner, FAILED_RUN)
    assert await watch.told("migration_failure", 1) == []
    assert "maintenance" in elevate("list", "--silences").stdout
    assert elevate("silence", "migration_failure", "--end").exit_code == 0
    assert elevate("silence", "migration_failure", "--end").exit_code == 1
    assert await watch.told("migration_failure", 2) == ["firing"]


def test_a_test_notice_goes_through_every_channel(elevate: Type, sink: HttpSink) -> None:
    result = elevate("test")
    assert (result.exit_code, "delivered" in result.stdout) == (0, True)
    assert sink.of("test") == ["firing"]
    sink.status = 500
    result = elevate("test")
    assert (result.exit_code, "answered 500" in result.stdout) == (1, True)
