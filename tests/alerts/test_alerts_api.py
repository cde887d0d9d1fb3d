"""What administrators see and do about alerts."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from tests.alerts.conftest import Watch
from tests.alerts.test_conditions import FIRED, OVER, as_owner

from elevate_api.alerts.rules import Name
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database

SignIn = Callable[..., Awaitable[Any]]
BEHIND = "INSERT INTO job_runs (name, triggered_by, finished_at, ok) VALUES ('migrate', 'test', now(), false)"
RULE = "migration_failure"


async def audited(owner: Database) -> list[tuple[str, str | None, str]]:
    async with owner.session() as session:
        rows = await session.execute(
            text("SELECT action, actor_id, target_id FROM audit_log WHERE action LIKE 'alert.%' ORDER BY id")
        )
        return [tuple(row) for row in rows]


async def alert_of(admin: httpx.AsyncClient, rule: str) -> dict[str, Any]:
    items: list[dict[str, Any]] = (await admin.get("/api/admin/alerts")).json()["items"]
    return next(item for item in items if item["rule"] == rule)


def ahead(minutes: float) -> str:
    return (utcnow() + timedelta(minutes=minutes)).isoformat()


async def test_every_rule_is_listed_by_name_and_may_be_asked_for_by_state(
    watch: Watch, as_user: SignIn, owner: Database
) -> None:
    admin = await as_user("ADMIN")
    assert (await admin.get("/api/admin/alerts")).json() == {"items": [], "nextCursor": None}
    await as_owner(owner, BEHIND)
    await watch.look()

    first = await admin.get("/api/admin/alerts?limit=7")
    rest = await admin.get(f"/api/admin/alerts?limit=7&cursor={first.json()['nextCursor']}")
    items = [*first.json()["items"], *rest.json()["items"]]
    assert [item["rule"] for item in items] == sorted(Name)
    assert rest.json()["nextCursor"] is None

    (firing,) = (await admin.get("/api/admin/alerts?state=FIRING")).json()["items"]
    assert (firing["rule"], firing["severity"], firing["count"]) == (RULE, "critical", 1)
    assert firing["openedAt"] == firing["since"]
    assert firing["evidence"]["lastRunFailed"] is True
    assert (await admin.get("/api/admin/alerts?state=firing")).status_code == 422


async def test_an_acknowledged_alert_is_quiet_and_clears_by_itself(
    watch: Watch, as_user: SignIn, owner: Database
) -> None:
    admin = await as_user("ADMIN")
    await as_owner(owner, BEHIND)
    await watch.look()
    path = f"/api/admin/alerts/{(await alert_of(admin, RULE))['id']}/acknowledge"

    answer = await admin.post(path)
    assert (answer.status_code, answer.json()["status"], answer.json()["acknowledgedBy"]) == (
        200,
        "ACKNOWLEDGED",
        admin.user.id,
    )
    again = await admin.post(path)
    assert (again.status_code, again.json()["code"], again.json()["status_now"]) == (
        409,
        "ALERT_NOT_FIRING",
        "ACKNOWLEDGED",
    )
    assert await watch.told(RULE, 200) == FIRED
    await as_owner(owner, "UPDATE job_runs SET ok = true")
    assert await watch.told(RULE, 201) == OVER
    assert await audited(owner) == [("alert.acknowledge", admin.user.id, RULE)]


async def test_an_unknown_alert_is_not_found(as_user: SignIn) -> None:
    admin = await as_user("ADMIN")
    unknown = "0198f2a4-7c1e-7b3a-9d54-2f6f0f3a1c11"
    assert (await admin.post(f"/api/admin/alerts/{unknown}/acknowledge")).status_code == 404
    assert (await admin.delete(f"/api/admin/alerts/silences/{unknown}")).status_code == 404


@pytest.mark.parametrize("rule", [RULE, None])
async def test_a_silence_holds_notices_back_until_it_is_ended(
    watch: Watch, as_user: SignIn, owner: Database, rule: str | None
) -> None:
    admin = await as_user("ADMIN")
    new = {"rule": rule, "endsAt": ahead(60), "reason": "upgrade of the server"}
    made = await admin.post("/api/admin/alerts/silences", json=new)
    assert made.status_code == 201, made.text
    assert (made.json()["rule"], made.json()["createdBy"]) == (rule, admin.user.id)
    await as_owner(owner, BEHIND)
    assert await watch.told(RULE, 1) == []
    assert (await alert_of(admin, RULE))["status"] == "FIRING"

    assert [one["id"] for one in (await admin.get("/api/admin/alerts/silences")).json()["items"]] == [made.json()["id"]]
    for _ in range(2):  # ending it twice is no harm
        assert (await admin.delete(f"/api/admin/alerts/silences/{made.json()['id']}")).status_code == 204
    assert (await admin.get("/api/admin/alerts/silences")).json()["items"] == []
    assert await watch.told(RULE, 2) == FIRED
    assert [entry[0] for entry in await audited(owner)] == ["alert.silence", "alert.silence.end"]


async def test_a_window_that_is_to_come_is_silent_in_its_time_only(
    watch: Watch, as_user: SignIn, owner: Database
) -> None:
    admin = await as_user("ADMIN")
    new = {"startsAt": ahead(30), "endsAt": ahead(60), "reason": "maintenance"}
    assert (await admin.post("/api/admin/alerts/silences", json=new)).status_code == 201
    await watch.look(0)
    await as_owner(owner, BEHIND)
    assert await watch.told(RULE, 40) == []
    assert await watch.told(RULE, 61) == FIRED


@pytest.mark.parametrize(
    ("fault", "pointer"),
    [
        ({"endsAt": "2020-01-01T00:00:00Z"}, "/endsAt"),
        ({"endsAt": "2020-01-01"}, "/endsAt"),
        ({"rule": "no_such_rule"}, "/rule"),
        ({"reason": "  "}, "/reason"),
        ({"startsAt": "2999-01-01T00:00:00Z"}, ""),
    ],
)
async def test_a_silence_that_makes_no_sense_is_refused(as_user: SignIn, fault: dict[str, str], pointer: str) -> None:
    admin = await as_user("ADMIN")
    answer = await admin.post("/api/admin/alerts/silences", json={"endsAt": ahead(60), "reason": "x", **fault})
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_silence_that_is_sent_twice_with_one_key_is_one(as_user: SignIn) -> None:
    admin = await as_user("ADMIN")
    new = {"endsAt": ahead(60), "reason": "maintenance"}
    answers = [
        await admin.post("/api/admin/alerts/silences", json=new, headers={"Idempotency-Key": "k1"}) for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert len((await admin.get("/api/admin/alerts/silences")).json()["items"]) == 1
