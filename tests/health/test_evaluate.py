from datetime import UTC, datetime, timedelta

import pytest

from elevate_api.analytics.queries import VIEWS, ViewFreshness
from elevate_api.health import evaluate
from elevate_api.health.evaluate import SchedulerFigures
from elevate_api.health.schemas import PoolOut
from elevate_api.ops.migrations import MigrationState

NOW = datetime(2025, 1, 31, tzinfo=UTC)


def views(**changed: ViewFreshness) -> list[ViewFreshness]:
    return [changed.get(view, ViewFreshness(view, NOW, 10.0, 5, True)) for view in VIEWS]


@pytest.mark.parametrize(
    ("view", "status", "detail"),
    [
        (ViewFreshness("school_metrics", NOW, 1800.0, 5, True), "pass", "all refreshed within 1800 s"),
        (ViewFreshness("school_metrics", NOW, 1801.0, 5, True), "warn", "school_metrics is 1801 s old"),
        (ViewFreshness("school_metrics", NOW, 10.0, 5, False), "warn", "the last refresh of school_metrics failed"),
        (ViewFreshness("school_metrics", None, None, None, None), "warn", "school_metrics was never refreshed"),
    ],
)
def test_views_are_to_be_fresh_and_their_last_refresh_well(view: ViewFreshness, status: str, detail: str) -> None:
    check = evaluate.check_views(views(school_metrics=view), [], 1800)

    assert (check.status, check.detail) == (status, detail)


def test_a_missing_view_is_named() -> None:
    assert evaluate.check_views(views(), ["cohort_metrics"], 1800).detail == "cohort_metrics is missing"


@pytest.mark.parametrize(("in_use", "status"), [(0, "pass"), (16, "pass"), (17, "warn"), (20, "warn")])
def test_a_pool_is_full_above_four_fifths(in_use: int, status: str) -> None:
    assert evaluate.check_pool(PoolOut(size=20, in_use=in_use, utilization=in_use / 20)).status == status


@pytest.mark.parametrize(
    ("figures", "status"),
    [
        (SchedulerFigures(False, False, None), "pass"),
        (SchedulerFigures(True, False, None), "warn"),
        (SchedulerFigures(True, True, None), "warn"),
        (SchedulerFigures(True, False, NOW), "warn"),
        (SchedulerFigures(True, True, NOW - timedelta(seconds=60)), "pass"),
        (SchedulerFigures(True, True, NOW - timedelta(seconds=61)), "warn"),
    ],
)
def test_the_scheduler_is_to_tick_where_there_is_to_be_one(figures: SchedulerFigures, status: str) -> None:
    assert evaluate.check_scheduler(figures, NOW).status == status


@pytest.mark.parametrize(
    ("state", "status", "detail"),
    [
        (MigrationState("0002", "0002", (), ahead=False), "pass", "at head"),
        (MigrationState("0001", "0002", ("0002",), ahead=False), "warn", "1 behind"),
        (MigrationState("0003", "0002", (), ahead=True), "warn", "ahead of this code"),
    ],
)
def test_migrations_are_to_be_at_head(state: MigrationState, status: str, detail: str) -> None:
    check = evaluate.check_migrations(state)

    assert (check.status, check.detail) == (status, detail)
