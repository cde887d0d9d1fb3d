"""/metrics as a scraper sees it, and what the dashboard and the rules ask of it."""

import json
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import text
from tests.support.payloads import payload_for

from elevate_api.analytics import service as analytics
from elevate_api.backups.manifest import Kind
from elevate_api.backups.service import JOB as BACKUP
from elevate_api.kit.db import Database
from elevate_api.ops.invariants import service as invariants

MONITORING = Path(__file__).parents[2] / "docs" / "monitoring"
NAME = re.compile(r"\bleaps_\w+")
Samples = dict[str, float]


async def scrape(client: httpx.AsyncClient, app: FastAPI) -> Samples:
    """What /metrics says now: sample name with labels -> value."""
    app.state.figures._read_at = 0.0
    answer = await client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        f"{sample.name}{sorted(sample.labels.values()) or ''}": sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.fixture
async def used(
    app: FastAPI, client: httpx.AsyncClient, as_user: Callable[..., Awaitable[Any]], database: Database
) -> Samples:
    """How the numbers moved in the service's day: a submission, refusals, an approval, a refresh, an evaluation."""
    before = await scrape(client, app)
    teacher, reviewer = await as_user(), await as_user("REVIEWER")
    body = {"activityCode": "AMPLIFY", "payload": payload_for("AMPLIFY", peersTrained=40, studentsTrained=0)}
    made = (await teacher.post("/api/submissions", json=body)).json()
    assert (await teacher.post("/api/submissions", json=body)).status_code == 409
    await analytics.refresh(database, "test")
    await app.state.alerts.round()
    waiting = await scrape(client, app)
    assert waiting["leaps_review_queue_pending"] == 1
    assert (await reviewer.post(f"/api/review/{made['id']}/approve", json={})).status_code == 200
    after = await scrape(client, app)
    return {name: value - before.get(name, 0) for name, value in after.items()}


async def test_what_happened_is_counted(used: Samples) -> None:
    assert used["leaps_submissions_created_total['AMPLIFY']"] == 1
    assert used["leaps_quota_refusals_total['submissions_amplify_quota']"] == 1
    assert used["leaps_database_errors_total['23514']"] == 1
    assert used["leaps_ledger_rows_total['FORM']"] == 1
    assert used["leaps_points_written_total['FORM', 'given']"] == 80
    assert used["leaps_actions_total['badge.grant']"] == 1
    assert used["leaps_http_requests_total['/api/submissions', '201', 'POST']"] == 1
    assert used["leaps_http_requests_total['/api/submissions', '409', 'POST']"] == 1
    assert used["leaps_http_request_duration_seconds_count['/api/review/{submission_id}/approve', 'POST']"] == 1
    assert 0 < used["leaps_view_age_seconds['leaderboard_totals']"] < 60
    assert used["leaps_alert_open['critical', 'foreign_key_violation']"] == 0
    assert used["leaps_review_queue_pending"] == 0


async def test_the_last_check_and_the_last_backup_are_told(
    app: FastAPI, client: httpx.AsyncClient, database: Database
) -> None:
    assert not [name for name in await scrape(client, app) if name.startswith(("leaps_invariant", "leaps_backup"))]
    await invariants.run(database, "test")
    backup = text(
        "INSERT INTO job_runs (name, triggered_by, started_at, finished_at, ok, outcome)"
        " VALUES (:name, 'test', now() - interval '1 hour', now(), true,"
        " jsonb_build_object('kind', CAST(:kind AS text)))"
    )
    async with database.session() as session:
        await session.execute(backup, {"name": BACKUP, "kind": Kind.FULL})
    told = await scrape(client, app)
    assert told["leaps_invariant_violations['ledger_follows_causes']"] == 0
    assert 3600 <= told[f"leaps_backup_age_seconds['{Kind.FULL}']"] < 3700


async def test_a_request_is_counted_by_its_template_and_inventions_are_not_labels(
    client: httpx.AsyncClient, app: FastAPI
) -> None:
    await client.get("/api/profiles/nobody-here")
    await client.get("/no/such/path/at/all")
    await client.request("BREW", "/api/stats")
    names = await scrape(client, app)
    assert "leaps_http_requests_total['/api/profiles/{handle}', '404', 'GET']" in names
    assert "leaps_http_requests_total['404', 'GET', 'unmatched']" in names
    assert not any("nobody-here" in name or "such/path" in name or "BREW" in name for name in names)


async def test_a_token_is_asked_for_where_one_is_set(client: httpx.AsyncClient, app: FastAPI) -> None:
    machines = app.state.settings.machines.model_copy(update={"metrics_token": SecretStr("a-token-for-scrapes")})
    app.state.settings = app.state.settings.model_copy(update={"machines": machines})
    for headers in ({}, {"Authorization": "Bearer a-token-for-scrape"}, {"Authorization": "Basic YTpi"}):
        answer = await client.get("/metrics", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
    answer = await client.get("/metrics", headers={"Authorization": "Bearer a-token-for-scrapes"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answer.headers["cache-control"] == "no-store"


async def test_a_scrape_answers_without_a_database(
    client: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr("elevate_api.metrics.figures.aside", refuse)
    names = await scrape(client, app)
    assert names["leaps_database_up"] == 0
    assert "leaps_pool_size" in names
    assert not any(name.startswith("leaps_view_age") for name in names)


async def test_scrapes_share_one_reading(
    client: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings: list[int] = []
    read = app.state.figures._read

    async def counted() -> Any:
        readings.append(1)
        return await read()

    monkeypatch.setattr(app.state.figures, "_read", counted)
    for _ in range(5):
        assert (await client.get("/metrics")).status_code == 200
    assert len(readings) == 1


def expressions() -> Iterator[str]:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    yield from (target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    rules = yaml.safe_load((MONITORING / "rules.yml").read_text())
    yield from (rule["expr"] for group in rules["groups"] for rule in group["rules"])


async def test_dashboard_and_rules_ask_for_metrics_that_exist(used: Samples, client: httpx.AsyncClient) -> None:
    text = (await client.get("/metrics")).text
    families = {match[1]: match[2] for match in re.finditer(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)}
    known = set(families) | {
        f"{name}_{part}"
        for name, kind in families.items()
        if kind == "histogram"
        for part in ("bucket", "count", "sum")
    }
    asked = {name for expression in expressions() for name in NAME.findall(expression)}
    assert asked - known == set()
    assert asked


def test_promtool_accepts_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    checked = subprocess.run(
        [promtool, "check", "rules", str(MONITORING / "rules.yml")], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
