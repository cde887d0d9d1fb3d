from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text

from elevate_api.kit.db import Database

SignIn = Callable[..., Awaitable[Any]]
Make = Callable[..., Awaitable[Any]]
VIEWS = ("activities", "cohorts", "schools", "timeseries")


@pytest.mark.parametrize("view", VIEWS)
async def test_figures_before_the_first_refresh_have_no_date(as_user: SignIn, view: str) -> None:
    admin = await as_user("ADMIN")
    answer = await admin.get(f"/api/admin/analytics/{view}")
    assert (answer.status_code, answer.json()["asOf"], answer.json()["nextCursor"]) == (200, None, None)


async def test_figures_are_those_of_the_views(
    as_user: SignIn, make_user: Make, make_submission: Make, make_entry: Make, owner: Database
) -> None:
    admin = await as_user("ADMIN")
    for number in range(5):
        person = await make_user(cohort="2025-A" if number % 2 else None, school=f"SMA {number}")
        await make_entry(person, 10 * (number // 2) + 10, "EXPLORE")
    await make_submission(person, "AMPLIFY", "APPROVED")
    async with owner.session() as session:
        await session.execute(text("SELECT refresh_all_analytics()"))

    stages = (await admin.get("/api/admin/analytics/activities")).json()
    assert [stage["activityCode"] for stage in stages["items"]] == ["LEARN", "EXPLORE", "AMPLIFY", "PRESENT", "SHINE"]
    assert (stages["items"][1]["totalPoints"], stages["items"][2]["peersReached"]) == (90, 5)
    assert stages["asOf"].endswith("Z")

    cohorts = (await admin.get("/api/admin/analytics/cohorts")).json()["items"]
    assert [(group["name"], group["totalPoints"]) for group in cohorts] == [("", 60), ("2025-A", 30)]

    names, cursor = [], ""
    while True:
        page = (await admin.get(f"/api/admin/analytics/schools?limit=2{cursor}")).json()
        names += [group["name"] for group in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert names == ["SMA 4", "SMA 2", "SMA 3", "SMA 0", "SMA 1"]

    days = (await admin.get("/api/admin/analytics/timeseries?activityCode=EXPLORE")).json()["items"]
    assert (len(days), days[-1]["points"], days[0]["points"]) == (90, 90, 0)
    last = (await admin.get(f"/api/admin/analytics/timeseries?since={days[-1]['day']}")).json()["items"]
    assert len(last) == 5
