import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from tests.conftest import CRON_SECRET
from tests.support.factories import Factory
from tests.support.racing import race
from tests.support.waiting import until

from elevate_api.analytics import service
from elevate_api.analytics.queries import VIEWS, ViewFreshness, freshness
from elevate_api.config import MachineSettings, Settings
from elevate_api.kit.db import Address, Database

PATH = "/api/cron/refresh-analytics"
HOLD_VIEW = "REFRESH MATERIALIZED VIEW CONCURRENTLY leaderboard_30d"
"""Keeps others from refreshing that view until the transaction ends; readers go on."""
SECRET = {"Authorization": f"Bearer {CRON_SECRET}"}


async def run_sql(owner: Database, *statements: str) -> None:
    async with owner.session() as session:
        for statement in statements:
            await session.execute(text(statement))


async def history(owner: Database) -> list[Any]:
    async with owner.session() as session:
        statement = "SELECT view_name, ok, error, triggered_by, job_id FROM analytics_refreshes ORDER BY started_at"
        return list((await session.execute(text(statement))).all())


async def ages(database: Database) -> dict[str, ViewFreshness]:
    async with database.session() as session:
        return {view.view: view for view in await freshness(session)}


async def outcome_of(database: Database, **arguments: Any) -> dict[str, Any]:
    result = await service.refresh(database, "test", **arguments)
    assert result.outcome is not None
    return result.outcome


async def break_view(owner: Database, view: str) -> None:
    """Give the view a body that fails when it is computed again, not before."""
    await run_sql(
        owner,
        "CREATE TABLE divisor (n integer)",
        f"DROP MATERIALIZED VIEW {view}",
        f"CREATE MATERIALIZED VIEW {view} AS SELECT 1 / n AS a, n FROM divisor",
        f"CREATE UNIQUE INDEX ON {view} (n)",
        "INSERT INTO divisor VALUES (0)",
    )


async def test_a_refresh_brings_every_view_up_to_date_and_leaves_a_row_each(
    owner: Database, database: Database, factory: Factory
) -> None:
    await factory.entry(await factory.user(), 20)

    result = await service.refresh(database, "test")

    assert result.outcome is not None
    assert not result.running
    assert result.outcome["ok"]
    assert [(view["view"], view["ok"]) for view in result.outcome["views"]] == [(view, True) for view in VIEWS]
    rows = {view["view"]: view["rows"] for view in result.outcome["views"]}
    assert (rows["leaderboard_totals"], rows["activity_metrics"], rows["time_series_metrics"]) == (1, 5, 90 * 5)
    assert all(view["durationSeconds"] > 0 for view in result.outcome["views"])
    recorded = await history(owner)
    assert [(row.view_name, row.ok, row.triggered_by) for row in recorded] == [(view, True, "test") for view in VIEWS]
    assert {row.job_id for row in recorded} == {result.job_id}


async def test_only_the_named_views_are_refreshed(database: Database, owner: Database) -> None:
    outcome = await outcome_of(database, views=["school_metrics"])

    assert [view["view"] for view in outcome["views"]] == ["school_metrics"]
    assert [row.view_name for row in await history(owner)] == ["school_metrics"]


async def test_an_unknown_view_is_refused_before_anything_runs(database: Database, owner: Database) -> None:
    with pytest.raises(ValueError, match="no such analytics view: users"):
        await service.refresh(database, "test", views=["school_metrics", "users"])

    assert await history(owner) == []


async def test_a_missing_and_a_broken_view_are_reported_and_the_others_refreshed(
    owner: Database, database: Database
) -> None:
    await run_sql(owner, "DROP MATERIALIZED VIEW leaderboard_totals")
    await break_view(owner, "cohort_metrics")

    outcome = await outcome_of(database)

    assert not outcome["ok"]
    failed = {view["view"]: view for view in outcome["views"] if not view["ok"]}
    assert set(failed) == {"leaderboard_totals", "cohort_metrics"}
    assert failed["leaderboard_totals"]["error"] == "the view, or something that it reads, does not exist"
    assert failed["cohort_metrics"]["error"] == "the refresh failed"
    assert failed["cohort_metrics"]["rows"] is None
    errors = {row.view_name: row.error for row in await history(owner)}
    assert errors["cohort_metrics"].startswith("22012 division by zero"), "the history keeps the database's own words"
    assert [view for view, error in errors.items() if error is None] == [view for view in VIEWS if view not in failed]


async def test_a_cancelled_statement_is_recorded_as_a_failure_and_stops_no_other_view(
    owner: Database, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PATIENCE_SECONDS", 0.3)
    async with owner.session() as blocker:
        await blocker.execute(text(HOLD_VIEW))
        outcome = await outcome_of(database, views=["leaderboard_30d", "school_metrics"])

    blocked, other = outcome["views"]
    assert (blocked["ok"], other["ok"]) == (False, True)
    assert "cancelled" in blocked["error"]
    (row,) = [row for row in await history(owner) if row.view_name == "leaderboard_30d"]
    assert (row.ok, row.error[:5], row.triggered_by) == (False, "57014", "test")


async def test_a_refresh_whose_process_stops_is_recorded_as_failed(owner: Database, database: Database) -> None:
    async with owner.session() as blocker:
        await blocker.execute(text(HOLD_VIEW))
        refreshing = asyncio.create_task(service.refresh(database, "test", views=["leaderboard_30d"]))
        await waits_for_a_lock(owner)
        refreshing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await refreshing

    assert [(row.view_name, row.ok, row.error) for row in await history(owner)] == [
        ("leaderboard_30d", False, "cancelled")
    ]
    assert (await outcome_of(database, views=["leaderboard_30d"]))["ok"], "nothing is left locked"


async def waits_for_a_lock(owner: Database) -> None:
    """Until a REFRESH waits for somebody's lock."""
    statement = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'leaderboard_30d'::regclass")

    async def waits() -> bool:
        async with owner.session() as session:
            return bool(await session.scalar(statement))

    await until(waits)


async def test_overlapping_calls_run_one_refresh_and_learn_its_id(
    owner: Database, database: Database, app_dsn: str
) -> None:
    elsewhere = Database(Address.parse(app_dsn))
    async with owner.session() as blocker:
        await blocker.execute(text(HOLD_VIEW))
        first = asyncio.create_task(service.refresh(database, "first", views=["leaderboard_30d"]))
        await waits_for_a_lock(owner)
        second = await service.refresh(elsewhere, "second")

    assert (second.running, second.outcome) == (True, None)
    assert (await first).job_id == second.job_id
    assert {row.triggered_by for row in await history(owner)} == {"first"}
    await elsewhere.dispose()


async def test_two_processes_at_once_refresh_once(database: Database, app_dsn: str) -> None:
    elsewhere = Database(Address.parse(app_dsn))
    results = await race(*(service.refresh(one, "race") for one in (database, elsewhere) * 3))
    await elsewhere.dispose()

    finished = [result for result in results if not isinstance(result, BaseException) and not result.running]
    running = [result for result in results if not isinstance(result, BaseException) and result.running]
    assert len(finished) + len(running) == len(results), results
    assert {result.job_id for result in running} <= {result.job_id for result in finished}


async def test_age_counts_from_the_last_success_and_the_last_outcome_is_told_beside_it(
    owner: Database, database: Database
) -> None:
    fresh = (await ages(database))["school_metrics"]
    assert fresh == ViewFreshness("school_metrics", None, None, None, None)
    await service.refresh(database, "test")
    good = (await ages(database))["school_metrics"]
    await run_sql(owner, "DROP MATERIALIZED VIEW school_metrics")
    await service.refresh(database, "test")

    after = await ages(database)

    assert after["school_metrics"].refreshed_at == good.refreshed_at
    assert after["school_metrics"].last_ok is False
    assert after["cohort_metrics"].last_ok is True
    assert after["school_metrics"].age_seconds is not None
    assert good.age_seconds is not None
    assert after["school_metrics"].age_seconds > good.age_seconds


@pytest.mark.parametrize(("age", "stale"), [(None, True), (60.1, True), (60.0, False), (0.0, False)])
def test_a_view_is_stale_past_the_limit_and_before_its_first_refresh(age: float | None, stale: bool) -> None:
    assert ViewFreshness("x", None, age, None, None).is_stale(60) is stale


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_cron_service_refreshes(client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, PATH, headers=SECRET)

    assert response.status_code == 200
    assert set(response.json()) == {"jobId", "views"}
    assert [set(view) for view in response.json()["views"]] == [{"view", "durationSeconds", "rows", "ok"}] * 6


async def test_the_cron_service_is_told_which_view_failed(owner: Database, client: httpx.AsyncClient) -> None:
    await run_sql(owner, "DROP MATERIALIZED VIEW time_series_metrics")

    response = await client.post(PATH, headers=SECRET)

    assert response.status_code == 500
    assert set(response.json()) == {"jobId", "views"}
    assert [view["view"] for view in response.json()["views"] if not view["ok"]] == ["time_series_metrics"]
    assert "MATERIALIZED" not in response.text


async def test_an_overlapping_call_of_the_cron_service_is_told_the_running_job(
    owner: Database, client: httpx.AsyncClient
) -> None:
    async with owner.session() as blocker:
        await blocker.execute(text(HOLD_VIEW))
        first = asyncio.create_task(client.post(PATH, headers=SECRET))
        await waits_for_a_lock(owner)
        second = await client.get(PATH, headers=SECRET)

    assert second.status_code == 202
    assert second.json() == {"jobId": (await first).json()["jobId"], "running": True}


@pytest.mark.parametrize(
    "header",
    [None, "Bearer", "Bearer wrong", f"Basic {CRON_SECRET}", CRON_SECRET, f"Bearer {CRON_SECRET}x", "Bearer s\xe9cret"],
)
async def test_who_does_not_know_the_secret_is_refused(
    client: httpx.AsyncClient, owner: Database, header: str | None
) -> None:
    headers = httpx.Headers({} if header is None else {b"Authorization": header.encode("latin-1")})

    response = await client.post(PATH, headers=headers)

    assert (response.status_code, response.json()["code"]) == (401, "UNAUTHENTICATED")
    assert await history(owner) == []


class TestWithoutASecret:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"machines": MachineSettings.model_validate({})})

    async def test_nobody_may_call(self, client: httpx.AsyncClient) -> None:
        for headers in ({}, {"Authorization": "Bearer "}, SECRET):
            response = await client.post(PATH, headers=headers)
            assert (response.status_code, response.json()["code"]) == (503, "CRON_NOT_CONFIGURED")
