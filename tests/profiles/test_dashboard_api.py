from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import text
from tests.leaderboards.programme import refresh
from tests.support.factories import Factory

from elevate_api.kit.db import Database

SignIn = Callable[..., Awaitable[Any]]


def by_stage(dashboard: dict[str, Any]) -> dict[str, tuple[str, int]]:
    return {stage["activityCode"]: (stage["state"], stage["points"]) for stage in dashboard["stages"]}


async def test_a_new_educator_has_everything_before_them(as_user: SignIn) -> None:
    caller = await as_user()

    dashboard = (await caller.get("/api/me/dashboard")).json()

    assert list(by_stage(dashboard)) == ["LEARN", "EXPLORE", "AMPLIFY", "PRESENT", "SHINE"]
    assert set(by_stage(dashboard).values()) == {("NOT_STARTED", 0)}
    assert dashboard["stages"][0]["submissions"] == {
        "PENDING": 0, "APPROVED": 0, "REJECTED": 0, "WITHDRAWN": 0, "REVOKED": 0,
    }  # fmt: skip
    assert (dashboard["totalPoints"], dashboard["badges"]) == (0, [])
    assert dashboard["rank"] == {"all": None, "30d": None}
    assert dashboard["amplifyQuota"] == {
        "limit": {"peers": 50, "students": 200},
        "used": {"peers": 0, "students": 0},
        "left": {"peers": 50, "students": 200},
    }


async def test_points_are_those_of_this_moment_and_ranks_those_of_the_board(
    owner: Database, as_user: SignIn, factory: Factory
) -> None:
    await factory.entry(await factory.user(), 65)
    caller = await as_user()
    month_ago = datetime.now(UTC) - timedelta(days=40)
    await factory.entry(caller.user, 50, "EXPLORE", created_at=month_ago)
    await factory.submission(caller.user, "EXPLORE", "APPROVED", created_at=month_ago)
    await factory.submission(caller.user, "EXPLORE", "REJECTED")
    await factory.entry(caller.user, 10, "LEARN", "WEBHOOK")
    await factory.submission(caller.user, "PRESENT", "PENDING")
    await factory.submission(caller.user, "SHINE", "REJECTED")
    await refresh(owner)
    await factory.entry(caller.user, 10, "LEARN", "WEBHOOK")

    dashboard = (await caller.get("/api/me/dashboard")).json()

    assert by_stage(dashboard) == {
        "LEARN": ("COMPLETED", 20),
        "EXPLORE": ("COMPLETED", 50),
        "AMPLIFY": ("NOT_STARTED", 0),
        "PRESENT": ("IN_REVIEW", 0),
        "SHINE": ("RETURNED", 0),
    }
    assert dashboard["stages"][1]["submissions"]["APPROVED"] == 1
    assert dashboard["stages"][1]["submissions"]["REJECTED"] == 1
    assert dashboard["totalPoints"] == 70
    assert dashboard["rank"] == {"all": 2, "30d": 2}, "with 60 and 10 points at the last refresh"


async def test_badges_come_in_the_order_they_were_earned(owner: Database, as_user: SignIn) -> None:
    caller = await as_user()
    async with owner.session() as session:
        await session.execute(
            text(
                "INSERT INTO earned_badges (user_id, badge_code, earned_at) VALUES"
                " (:id, 'AMPLIFIER', now()), (:id, 'STARTER', now() - interval '1 day')"
            ),
            {"id": caller.user.id},
        )

    badges = (await caller.get("/api/me/dashboard")).json()["badges"]

    assert [badge["code"] for badge in badges] == ["STARTER", "AMPLIFIER"]
    assert set(badges[0]) == {"code", "name", "description", "iconUrl", "earnedAt"}


async def test_the_quota_left_counts_what_waits_or_is_approved_in_seven_days(
    as_user: SignIn, factory: Factory, owner: Database
) -> None:
    caller = await as_user()
    now = datetime.now(UTC)
    for status, peers, students, days in (
        ("PENDING", 10, 20, 0),
        ("APPROVED", 5, 30, 6.9),
        ("APPROVED", 50, 200, 7.1),
        ("REJECTED", 20, 20, 1),
        ("WITHDRAWN", 20, 20, 1),
        ("REVOKED", 20, 20, 1),
    ):
        payload = {"peersTrained": peers, "studentsTrained": students}
        created_at = now - timedelta(days=days)
        await factory.submission(caller.user, "AMPLIFY", status, payload=payload, created_at=created_at)

    quota = (await caller.get("/api/me/dashboard")).json()["amplifyQuota"]
    assert (quota["used"], quota["left"]) == ({"peers": 15, "students": 50}, {"peers": 35, "students": 150})

    async with owner.session() as session:
        await session.execute(text("UPDATE app_settings SET value = '12' WHERE key = 'amplify_peer_limit'"))
    quota = (await caller.get("/api/me/dashboard")).json()["amplifyQuota"]
    assert (quota["limit"]["peers"], quota["left"]["peers"]) == (12, 0), "a limit lowered below what is used"


async def test_the_dashboard_is_the_callers_alone(as_user: SignIn, client: httpx.AsyncClient) -> None:
    caller = await as_user()

    assert (await caller.get("/api/me/dashboard")).headers["cache-control"] == "private, no-store"
    assert (await client.get("/api/me/dashboard")).status_code == 401
