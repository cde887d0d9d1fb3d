"""Switching features off at run time."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.ops.commands import Type

from elevate_api import features

SignIn = Callable[..., Awaitable[Any]]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "FRESH_SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
async def test_what_is_off_answers_503_and_the_rest_goes_on(elevate: Type, client: Any) -> None:
    assert (await client.get("/api/leaderboard?search=siti")).status_code == 200
    assert elevate("emergency", "features", "--off", "search").exit_code == 0
    refused = await client.get("/api/leaderboard?search=siti")
    assert (refused.status_code, refused.json()["code"]) == (503, "FEATURE_DISABLED")
    assert (await client.get("/api/leaderboard?search=")).status_code == 200
    assert (await client.get("/api/leaderboard")).status_code == 200
    elevate("emergency", "features", "--on", "search")
    assert (await client.get("/api/leaderboard?search=siti")).status_code == 200


@pytest.mark.parametrize(
    ("path", "feature"),
    [
        ("/api/admin/exports/users.csv", "exports"), ("/api/admin/analytics/cohorts", "analytics"),
        ("/api/admin/users", None), ("/api/cron/refresh-analytics", None),
    ],
)  # fmt: skip
def test_what_belongs_to_a_feature(path: str, feature: str | None) -> None:
    assert features.feature_of(path, {}) == feature


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("feature", ["exports", "analytics"])
async def test_administrators_are_told_as_well(elevate: Type, as_user: SignIn, feature: str) -> None:
    elevate("emergency", "features", "--off", feature)
    path = {"exports": "/api/admin/exports/users.csv", "analytics": "/api/admin/analytics/cohorts"}[feature]
    admin = await as_user("ADMIN")
    assert (await admin.get(path)).json()["code"] == "FEATURE_DISABLED"


async def test_an_unknown_feature_is_refused(elevate: Type) -> None:
    assert elevate("emergency", "features", "--off", "approvals").exit_code == 2
    assert elevate("emergency", "features", "--off", "search", "--on", "search").exit_code == 2


async def test_the_service_itself_may_not_switch(database: Any) -> None:
    with pytest.raises(Exception, match="permission denied"):
        async with database.session() as session:
            await features.switch(session, "search", False)


async def test_the_switches_are_read_once_in_two_seconds(app: Any, elevate: Type) -> None:
    switches = app.state.switches
    assert not await switches.is_off("search")
    elevate("emergency", "features", "--off", "search")
    assert not await switches.is_off("search")
    switches._read_at -= features.FRESH_SECONDS
    assert await switches.is_off("search")
