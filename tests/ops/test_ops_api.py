"""/api/admin/ops and the daily check's endpoint."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.conftest import CRON_SECRET
from tests.support.factories import Factory

from elevate_api.analytics.queries import VIEWS
from elevate_api.ops.invariants import INVARIANTS
from elevate_api.ops.migrations import head

SignIn = Callable[..., Awaitable[Any]]
Superuser = Callable[..., Awaitable[None]]
OPS = "/api/admin/ops"


@pytest.fixture
async def admin(as_user: SignIn) -> Any:
    return await as_user("ADMIN")


async def get(admin: Any, path: str) -> Any:
    answer = await admin.get(f"{OPS}/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_refresh_shows_in_views_and_history(admin: Any) -> None:
    assert {view["state"] for view in (await get(admin, "views"))["items"]} == {"filled"}
    answer = await admin.post(f"{OPS}/refresh", json={"views": ["school_metrics"]})
    assert (answer.status_code, [view["view"] for view in answer.json()["views"]]) == (200, ["school_metrics"])
    assert (await admin.post(f"{OPS}/refresh")).status_code == 200
    assert all(view["lastOk"] and view["ageSeconds"] < 60 for view in (await get(admin, "views"))["items"])

    first = await get(admin, "refreshes?limit=5")
    second = await get(admin, f"refreshes?limit=5&cursor={first['nextCursor']}")
    assert len(first["items"] + second["items"]) == 1 + len(VIEWS)
    assert second["nextCursor"] is None
    assert {run["viewName"] for run in (await get(admin, "refreshes?view=school_metrics"))["items"]} == {
        "school_metrics"
    }
    assert (await admin.post(f"{OPS}/refresh", json={"views": ["pg_class"]})).status_code == 422


async def test_a_missing_view_is_shown_and_fails_a_refresh(admin: Any, superuser: Superuser) -> None:
    await superuser("DROP MATERIALIZED VIEW cohort_metrics")
    states = {view["view"]: view["state"] for view in (await get(admin, "views"))["items"]}
    assert [view for view, state in states.items() if state == "missing"] == ["cohort_metrics"]
    assert (await admin.post(f"{OPS}/refresh")).status_code == 500


async def test_the_database_is_described(admin: Any, factory: Factory) -> None:
    await factory.submission(None, "EXPLORE")
    found = await get(admin, "database")
    assert {"database", "table", "view"} == {relation["kind"] for relation in found["relations"]}
    assert found["queue"][0]["pending"] == 1
    assert (len(found["hours"]), found["hours"][-1]["submissions"]) == (24, 1)
    assert (await get(admin, "connections"))["used"] >= 1
    outliers = (await get(admin, "queries"))["outliers"]
    assert outliers is None or outliers[0]["calls"] >= 1  # as the server has pg_stat_statements or not
    assert "points_ledger_pkey" in {index["index"] for index in (await get(admin, "indexes"))["usage"]}
    assert await get(admin, "migrations") == {
        "current": head(), "head": head(), "pending": [], "ahead": False, "upToDate": True,
    }  # fmt: skip


async def test_the_quota_shows_who_is_near_it(admin: Any, factory: Factory) -> None:
    await factory.submission(None, "AMPLIFY", payload={"peersTrained": 40, "studentsTrained": 150})
    near = await factory.submission(None, "AMPLIFY", payload={"peersTrained": 41, "studentsTrained": 0})
    items = (await get(admin, "quota"))["items"]
    assert [(one["userId"], one["peers"], one["peerLimit"]) for one in items] == [(near.user_id, 41, 50)]


async def test_points_by_day(admin: Any, factory: Factory) -> None:
    await factory.entry(await factory.user(), 50)
    items = (await get(admin, "anomalies"))["items"]
    assert (len(items), items[-1]["points"], items[-1]["unusual"]) == (7, 50, False)


async def test_integrity_tells_what_the_last_run_found(admin: Any, client: Any, superuser: Superuser) -> None:
    assert await get(admin, "integrity") == {"jobId": None, "checkedAt": None, "ok": None, "checks": []}
    await admin.post(f"{OPS}/refresh")
    cron = {"Authorization": f"Bearer {CRON_SECRET}"}
    run = await client.post("/api/cron/daily-health", headers=cron)
    assert (run.status_code, len(run.json()["checks"])) == (200, len(INVARIANTS))
    known = await get(admin, "integrity")
    assert (known["jobId"], known["ok"]) == (run.json()["jobId"], True)

    await superuser("INSERT INTO submissions (user_id, activity_code, payload) VALUES ('nobody', 'SHINE', '{}')")
    assert (await get(admin, "integrity"))["ok"] is True
    fresh = await get(admin, "integrity?fresh=true")
    assert fresh["ok"] is False
    assert [one["name"] for one in fresh["checks"] if one["count"] and one["severity"] == "error"] == [
        "submissions_have_people"
    ]
    assert (await client.get("/api/cron/daily-health", headers=cron)).status_code == 200


async def test_a_check_that_cannot_run_fails_the_cron_call(client: Any, superuser: Superuser) -> None:
    await superuser("DROP TABLE submission_attachments CASCADE")
    answer = await client.get("/api/cron/daily-health", headers={"Authorization": f"Bearer {CRON_SECRET}"})
    assert answer.status_code == 500
    assert [one["name"] for one in answer.json()["checks"] if "error" in one] == ["attachments_have_submissions"]


async def test_the_daily_check_needs_the_secret(client: Any) -> None:
    assert (await client.post("/api/cron/daily-health")).status_code == 401
