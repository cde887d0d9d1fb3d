"""The operator's watch in a real browser."""

from collections.abc import Awaitable
from typing import Any

import pytest
from tests.console.conftest import SignIn
from tests.console.console import Console
from tests.support.waiting import until

from elevate_api.console.ops_figures import days_of, view_curve

PARTS = ("health", "alerts", "activity", "views", "kajabi", "backups", "integrity", "server")


async def test_every_part_shows_what_the_service_knows(console: Console, tab_of: SignIn) -> None:
    admin = await console.person("ADMIN")
    await console.refresh()
    tab = await tab_of(admin.id)
    await tab.open("/console/ops")
    await tab.sees("Healthy", "#health-status")
    await tab.sees("leaderboard_30d", "#ops-views")
    await tab.sees("Points per day", "#ops-activity")
    await tab.sees("No drill yet", "#ops-backups")
    await tab.sees("connections", "#ops-server")
    await until(lambda: _is(tab.count("#ops-activity canvas"), 3))
    await until(lambda: _is(tab.count("#ops-kajabi [aria-pressed=true]"), 1))
    assert await tab.count(".ops-part .error") == 0
    await tab.accessible()
    await tab.picture("ops")
    await tab.scheme("dark")
    await tab.accessible()
    await tab.size(390, 844, phone=True)
    wide: int = await tab.run("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0  # a phone scrolls tables in their frames, never the page


async def test_an_alert_is_acknowledged_and_silenced(console: Console, tab_of: SignIn) -> None:
    """The service of these tests fires when more than one submission waits."""
    admin, educator = await console.person("ADMIN", name="Operator Satu"), await console.person()
    for _ in range(2):
        await console.submission(educator, "EXPLORE")
    tab = await tab_of(admin.id)
    await until(lambda: _fires(console, admin.id), seconds=30)
    await tab.open("/console/ops")
    row = "[data-rule=review_queue_backlog]"
    await tab.sees("Too many submissions wait", row)
    await tab.accessible()
    await tab.click(f"{row} [hx-post]")
    await tab.sees("Acknowledged", row)
    await tab.sees(admin.id, row)
    await tab.click(f"{row} [data-dialog]")
    assert await tab.run("document.getElementById('silence-rule').value") == "review_queue_backlog"
    await tab.accessible()
    await tab.fill("#silence-reason", "A school sends its whole year")
    await tab.press("Enter")
    await tab.sees("A school sends its whole year", "#ops-alerts .banner")
    assert await tab.count("dialog[open]") == 0
    told = await console.get("/api/admin/alerts", admin.id, state="ACKNOWLEDGED")
    assert [alert["acknowledgedBy"] for alert in told["items"]] == [admin.id]
    await tab.click("#ops-alerts .banner button")
    await tab.misses("A school sends its whole year", "#ops-alerts")
    assert (await console.get("/api/admin/alerts/silences", admin.id))["items"] == []


async def test_a_delivery_of_nobody_is_matched(console: Console, tab_of: SignIn) -> None:
    admin, educator = await console.person("ADMIN"), await console.person(handle="rina-cocok")
    await console.deliver("contact-of-the-watch", "somebody@elsewhere.test")
    tab = await tab_of(admin.id)
    await tab.open("/console/ops")
    await tab.sees("somebody@elsewhere.test", "#ops-kajabi")
    await tab.fill("#ops-kajabi .match input[name=person]", "no-such-handle")
    await tab.press("Enter")
    await tab.sees("Nobody, or more than one", "#notices")
    await until(lambda: tab.run("document.querySelector('#ops-kajabi .match input[name=person]').value === ''"))
    await tab.fill("#ops-kajabi .match input[name=person]", "@rina-cocok")
    await tab.press("Enter")
    await tab.sees("The event is now: Processed", "#notices")
    await tab.misses("somebody@elsewhere.test", "#ops-kajabi")
    points = await console.get(f"/api/admin/users/{educator.id}/points", admin.id)
    assert points["totalPoints"] == 10


async def test_the_views_are_refreshed_and_the_data_checked_by_hand(console: Console, tab_of: SignIn) -> None:
    admin = await console.person("ADMIN")
    tab = await tab_of(admin.id)
    await tab.open("/console/ops")
    await tab.sees("leaderboard_totals", "#ops-views")
    await tab.click("button[hx-post='/console/ops/refresh']")
    await tab.sees("The views are fresh.", "#notices")
    await tab.click("#ops-integrity button")
    await tab.sees("Every check", "#ops-integrity")
    runs = await console.get("/api/admin/ops/refreshes", admin.id, limit=1)
    assert runs["items"][0]["triggeredBy"] == "admin"


@pytest.mark.parametrize("role", ["PARTICIPANT", "REVIEWER"])
async def test_the_watch_is_for_administrators(console: Console, tab_of: SignIn, role: str) -> None:
    somebody = await console.person(role)
    tab = await tab_of(somebody.id)
    await tab.open("/console/board")
    assert await tab.count("a[href='/console/ops']") == 0
    for path in ("/console/ops", *(f"/console/ops/parts/{name}" for name in PARTS)):
        assert await tab.run(f"fetch('{path}').then((answer) => answer.status)") == 403
    tab.complaints.clear()  # Chromium writes each refusal to the console


def test_the_queue_is_reckoned_back_from_now() -> None:
    items = [day_of(1, 4, 1, 0), day_of(2, 2, 0, 1), day_of(3, 0, 2, 1)]
    days = days_of(items, 1, drop=0.5, least_median=1)
    assert [(day.day[-1], day.waiting) for day in days] == [("1", 3), ("2", 4), ("3", 1)]
    assert {(day.drop_below, day.unusual_above) for day in days} == {(None, None)}


def test_thresholds_follow_the_week_before() -> None:
    items = [day_of(day, 10 * day, 0, 0, points=200) for day in range(1, 9)]
    last = days_of(items, 0, drop=0.5, least_median=20)[-1]
    assert (last.drop_below, last.unusual_above) == (20.0, 600.0)


def test_a_failed_refresh_leaves_the_view_as_old_as_it_was() -> None:
    runs = [
        {"startedAt": f"2026-03-01T00:0{minute}:00Z", "finishedAt": f"2026-03-01T00:0{minute}:02Z", "ok": ok}
        for minute, ok in ((0, True), (1, False), (3, True))
    ]
    curve = view_curve("leaderboard_30d", runs[::-1])
    assert (curve.age_before, curve.seconds, curve.failed) == ([None, 60.0, 180.0], [2.0, 2.0, 2.0], 1)


def day_of(day: int, submissions: int, approved: int, rejected: int, points: int = 5) -> dict[str, Any]:
    decided = {"approved": approved, "rejected": rejected}
    return {
        "day": f"2026-03-{day:02}",
        "activityCode": "LEARN",
        "submissions": submissions,
        "points": points,
        **decided,
    }


async def _is(counted: Awaitable[int], wanted: int) -> bool:
    return await counted == wanted


async def _fires(console: Console, admin: str) -> bool:
    told = await console.get("/api/admin/alerts", admin, state="FIRING")
    return any(alert["rule"] == "review_queue_backlog" for alert in told["items"])
