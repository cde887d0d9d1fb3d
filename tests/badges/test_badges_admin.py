from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from tests.support.racing import race

SignIn = Callable[..., Awaitable[Any]]
Make = Callable[..., Awaitable[Any]]
NEW = {
    "code": "EXPLORER",
    "name": "Explorer",
    "criteria": {"type": "approvals", "activity": "EXPLORE", "atLeast": 2},
}


async def actions(admin: Any, target: str) -> list[str]:
    items = (await admin.get(f"/api/admin/audit?target={target}")).json()["items"]
    return [item["action"] for item in items][::-1]


async def test_a_badge_is_made_changed_earned_and_retired(
    as_user: SignIn, make_user: Make, make_submission: Make
) -> None:
    admin, teacher = await as_user("ADMIN"), await make_user()
    made = await admin.post("/api/admin/badges", json=NEW)
    assert (made.status_code, made.headers["location"]) == (201, "/api/admin/badges/EXPLORER")
    assert made.json() == {**NEW, "description": "", "iconUrl": None, "active": True, "earned": 0,
                           "createdAt": made.json()["createdAt"]}  # fmt: skip
    easier = {"criteria": {"type": "approvals", "activity": "EXPLORE"}, "description": "One lesson"}
    changed = (await admin.patch("/api/admin/badges/EXPLORER", json=easier)).json()
    assert changed["criteria"] == {"type": "approvals", "activity": "EXPLORE", "atLeast": 1}
    assert (changed["name"], changed["description"]) == ("Explorer", "One lesson")
    waiting = await make_submission(teacher, "EXPLORE")
    approved = await admin.post(f"/api/review/{waiting.id}/approve", json={})
    assert "EXPLORER" in approved.json()["badgesEarned"]
    await admin.patch("/api/admin/badges/EXPLORER", json={"active": False})
    public = [badge["code"] for badge in (await admin.get("/api/badges")).json()["items"]]
    assert "EXPLORER" not in public
    shown = {badge["code"]: badge for badge in (await admin.get("/api/admin/badges")).json()["items"]}
    assert (shown["EXPLORER"]["active"], shown["EXPLORER"]["earned"]) == (False, 1)
    assert await actions(admin, "badge:EXPLORER") == ["badge.create", "badge.update", "badge.update"]


@pytest.mark.parametrize(
    "change",
    [
        {"code": "explorer"},
        {"code": "E"},
        {"name": " "},
        {"iconUrl": "javascript:alert(1)"},
        {"criteria": {"type": "points"}},
        {"criteria": {"type": "points", "atLeast": 0}},
        {"criteria": {"type": "points", "atLeast": 1, "stage": "LEARN"}},
        {"criteria": {"type": "approvals", "activity": "REST"}},
        {"criteria": {"type": "any", "of": []}},
        {"criteria": {"type": "magic"}},
        {"criteria": {"kind": 1}},
        {"criteria": []},
        {"earned": 5},
    ],
)
async def test_a_badge_that_makes_no_sense_is_refused(as_user: SignIn, change: dict[str, Any]) -> None:
    admin = await as_user("ADMIN")
    answer = await admin.post("/api/admin/badges", json=NEW | change)
    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_FAILED")


async def test_criteria_nest_only_so_deep(as_user: SignIn) -> None:
    admin = await as_user("ADMIN")
    criteria: dict[str, Any] = {"type": "points", "atLeast": 1}
    for depth in range(8):
        criteria = {"type": "any", "of": [criteria]}
        answer = await admin.post("/api/admin/badges", json={**NEW, "code": f"DEEP_{depth}", "criteria": criteria})
        assert answer.status_code == (201 if depth < 4 else 422)


async def test_a_code_is_taken_once(as_user: SignIn) -> None:
    admin = await as_user("ADMIN")
    answers = await race(*(admin.post("/api/admin/badges", json=NEW) for _ in range(4)))
    codes = sorted(answer.status_code for answer in answers if isinstance(answer, httpx.Response))
    assert codes == [201, 409, 409, 409]
    assert (await admin.post("/api/admin/badges", json=NEW)).json()["code"] == "BADGE_EXISTS"


async def test_an_award_by_hand_is_given_once_and_audited_once(as_user: SignIn, make_user: Make) -> None:
    admin, teacher = await as_user("ADMIN"), await make_user()
    path, body = "/api/admin/badges/SHINE_NOMINEE/awards", {"userId": teacher.id}
    answers = [a for a in await race(*(admin.post(path, json=body) for _ in range(4))) if isinstance(a, httpx.Response)]
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["awardedBy"] == admin.user.id
    assert await actions(admin, f"user:{teacher.id}") == ["badge.award"]


async def test_nobody_and_nothing_cannot_be_awarded(as_user: SignIn, make_user: Make) -> None:
    admin, teacher = await as_user("ADMIN"), await make_user()
    assert (await admin.post("/api/admin/badges/NO_SUCH/awards", json={"userId": teacher.id})).status_code == 404
    assert (await admin.post("/api/admin/badges/STARTER/awards", json={"userId": "nobody"})).status_code == 404
    assert (await admin.patch("/api/admin/badges/NO_SUCH", json={"active": False})).status_code == 404
