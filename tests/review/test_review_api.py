import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from tests.support.racing import race
from tests.support.waiting import waits_for_a_lock

from elevate_api.kit.db import Database

SignIn = Callable[..., Awaitable[Any]]
Make = Callable[..., Awaitable[Any]]


async def ledger(owner: Database, user_id: str) -> list[tuple[str, int, str | None]]:
    async with owner.session() as session:
        rows = await session.execute(
            text("SELECT source, delta_points, external_event_id FROM points_ledger WHERE user_id = :id ORDER BY id"),
            {"id": user_id},
        )
        return [tuple(row) for row in rows]


async def actions(owner: Database) -> list[str]:
    async with owner.session() as session:
        return list((await session.execute(text("SELECT action FROM audit_log ORDER BY id"))).scalars())


async def test_an_approval_awards_points_badges_and_leaves_a_trail(
    as_user: SignIn, make_submission: Make, owner: Database
) -> None:
    reviewer = await as_user("REVIEWER")
    waiting = await make_submission(activity="EXPLORE")
    answer = await reviewer.post(f"/api/review/{waiting.id}/approve", json={"note": "Lovely", "version": 1})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["pointsAwarded"], body["badgesEarned"]) == (50, ["IN_CLASS_INNOVATOR"])
    submission = body["submission"]
    assert (submission["status"], submission["reviewerId"], submission["reviewNote"], submission["pointsAwarded"]) == (
        "APPROVED", reviewer.user.id, "Lovely", 50,
    )  # fmt: skip
    assert submission["reviewedAt"] is not None
    assert await ledger(owner, waiting.user_id) == [("FORM", 50, f"submission:{waiting.id}:approved:v1")]
    assert set(await actions(owner)) == {"submission.approve", "badge.grant"}


@pytest.mark.parametrize(
    ("stage", "payload", "points", "badges"),
    [
        ("LEARN", {}, 20, ["STARTER"]),
        ("AMPLIFY", {"peersTrained": 10, "studentsTrained": 3}, 23, ["AMPLIFIER"]),
        ("PRESENT", {}, 20, ["COMMUNITY_VOICE"]),
        ("SHINE", {}, 0, ["SHINE_NOMINEE"]),
    ],
)
async def test_each_stage_awards_what_its_row_says(
    as_user: SignIn, make_submission: Make, stage: str, payload: dict[str, Any], points: int, badges: list[str]
) -> None:
    reviewer = await as_user("REVIEWER")
    waiting = await make_submission(activity=stage, payload=payload)
    body = (await reviewer.post(f"/api/review/{waiting.id}/approve", json={})).json()
    assert (body["pointsAwarded"], body["badgesEarned"]) == (points, badges)


async def test_learn_gets_what_kajabi_left_of_the_cap(
    as_user: SignIn, make_submission: Make, make_entry: Make, owner: Database
) -> None:
    reviewer = await as_user("REVIEWER")
    waiting = await make_submission(activity="LEARN")
    await make_entry(waiting.user_id, 10, "LEARN", source="WEBHOOK", external_event_id="kajabi:1|tag:a")
    assert (await reviewer.post(f"/api/review/{waiting.id}/approve", json={})).json()["pointsAwarded"] == 10


async def test_an_administrators_adjustment_does_not_use_up_the_cap(
    as_user: SignIn, make_submission: Make, make_entry: Make
) -> None:
    reviewer = await as_user("REVIEWER")
    waiting = await make_submission(activity="LEARN")
    await make_entry(waiting.user_id, 5, "LEARN", source="MANUAL", external_event_id=f"adjustment:{uuid4()}")
    assert (await reviewer.post(f"/api/review/{waiting.id}/approve", json={})).json()["pointsAwarded"] == 20


async def test_a_second_explore_is_approved_without_points(
    as_user: SignIn, make_user: Make, make_submission: Make
) -> None:
    reviewer, teacher = await as_user("REVIEWER"), await make_user()
    points = []
    for _ in range(2):
        waiting = await make_submission(teacher, "EXPLORE")
        points.append((await reviewer.post(f"/api/review/{waiting.id}/approve", json={})).json()["pointsAwarded"])
    assert points == [50, 0]


@pytest.mark.parametrize(
    ("points", "reason", "status", "code"),
    [
        (8, "Half the class", 200, None),
        (12, "More came", 200, None),
        (10, None, 200, None),
        (7, "Too low", 422, "POINT_ADJUSTMENT_OUT_OF_BOUNDS"),
        (13, "Too high", 422, "POINT_ADJUSTMENT_OUT_OF_BOUNDS"),
        (9, None, 422, "VALIDATION_FAILED"),
    ],
)
async def test_an_award_moves_by_a_fifth_with_a_reason(
    as_user: SignIn, make_submission: Make, points: int, reason: str | None, status: int, code: str | None
) -> None:
    reviewer = await as_user("REVIEWER")
    waiting = await make_submission(activity="AMPLIFY", payload={"peersTrained": 5, "studentsTrained": 0})
    answer = await reviewer.post(f"/api/review/{waiting.id}/approve", json={"points": points, "reason": reason})
    assert (answer.status_code, answer.json().get("code")) == (status, code)
    if status == 200:
        assert answer.json()["pointsAwarded"] == points


async def test_a_stage_without_a_cap_may_be_awarded_a_fifth_more(as_user: SignIn, make_submission: Make) -> None:
    reviewer = await as_user("REVIEWER")
    waiting = await make_submission(activity="EXPLORE")
    path = f"/api/review/{waiting.id}/approve"
    refused = await reviewer.post(path, json={"points": 61, "reason": "Outstanding"})
    assert (refused.json()["computed"], refused.json()["lowest"], refused.json()["highest"]) == (50, 40, 60)
    assert (await reviewer.post(path, json={"points": 60, "reason": "Outstanding"})).json()["pointsAwarded"] == 60


async def test_a_rejection_needs_a_note_and_awards_nothing(
    as_user: SignIn, make_submission: Make, owner: Database
) -> None:
    reviewer = await as_user("REVIEWER")
    waiting = await make_submission(activity="EXPLORE")
    for body in ({}, {"note": "  "}):
        assert (await reviewer.post(f"/api/review/{waiting.id}/reject", json=body)).status_code == 422
    answer = await reviewer.post(f"/api/review/{waiting.id}/reject", json={"note": "Which class was this?"})
    assert (answer.json()["status"], answer.json()["reviewNote"]) == ("REJECTED", "Which class was this?")
    assert await ledger(owner, waiting.user_id) == []


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("APPROVED", "ALREADY_REVIEWED"),
        ("REJECTED", "ALREADY_REVIEWED"),
        ("REVOKED", "ALREADY_REVIEWED"),
        ("WITHDRAWN", "SUBMISSION_NOT_PENDING"),
    ],
)
async def test_a_decision_is_final(as_user: SignIn, make_submission: Make, status: str, code: str) -> None:
    reviewer = await as_user("REVIEWER")
    done = await make_submission(activity="SHINE", status=status)
    for path, body in (("approve", {}), ("reject", {"note": "no"})):
        answer = await reviewer.post(f"/api/review/{done.id}/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, code)


async def test_nobody_decides_about_their_own(as_user: SignIn, make_submission: Make) -> None:
    superadmin = await as_user("SUPERADMIN")
    own = await make_submission(superadmin.user, "SHINE")
    answers = [
        await superadmin.post(f"/api/review/{own.id}/approve", json={}),
        await superadmin.post(f"/api/review/{own.id}/reject", json={"note": "no"}),
        await superadmin.post(f"/api/review/{own.id}/revoke", json={"reason": "no"}),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "OWN_SUBMISSION")] * 3


async def test_what_is_not_there_is_not_found(as_user: SignIn) -> None:
    admin = await as_user("ADMIN")
    for path, body in (("approve", {}), ("reject", {"note": "no"}), ("revoke", {"reason": "no"})):
        assert (await admin.post(f"/api/review/{uuid4()}/{path}", json=body)).status_code == 404


async def test_a_certificate_is_approved_for_one_person_only(as_user: SignIn, make_submission: Make) -> None:
    reviewer = await as_user("REVIEWER")
    first, second = [
        await make_submission(activity="LEARN", payload={"certificateHash": digest})
        for digest in ("abcdef0123456789", "ABCDEF0123456789")
    ]
    assert (await reviewer.post(f"/api/review/{first.id}/approve", json={})).status_code == 200
    queue = (await reviewer.get("/api/review/queue")).json()["items"]
    assert [warning["code"] for warning in queue[0]["warnings"]] == ["CERTIFICATE_ALREADY_USED"]
    answer = await reviewer.post(f"/api/review/{second.id}/approve", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "CERTIFICATE_ALREADY_USED")


async def test_the_queue_is_oldest_first_and_carries_what_a_decision_needs(
    as_user: SignIn, make_user: Make, make_submission: Make
) -> None:
    reviewer = await as_user("REVIEWER")
    teacher = await make_user(cohort="2025A", school="SMA 1")
    waiting = [await make_submission(teacher, "AMPLIFY"), await make_submission(activity="EXPLORE")]
    await make_submission(activity="SHINE", status="APPROVED")
    items = (await reviewer.get("/api/review/queue")).json()["items"]
    assert [item["submission"]["id"] for item in items] == [str(row.id) for row in waiting]
    first = items[0]
    assert first["submitter"] == {
        "id": teacher.id, "handle": teacher.handle, "name": teacher.name, "avatarUrl": None, "cohort": "2025A",
        "school": "SMA 1",
    }  # fmt: skip
    assert (first["claim"], first["warnings"], first["suspicionScore"], first["computedPoints"]) == (None, [], 0, 30)
    assert first["waitingSeconds"] >= 0
    for query, count in (
        ("cohort=2025A", 1),
        ("school=SMA 1", 1),
        ("activityCode=EXPLORE", 1),
        ("cohort=none", 0),
        ("cohort=&school=", 2),
    ):
        assert len((await reviewer.get(f"/api/review/queue?{query}")).json()["items"]) == count


async def test_the_queue_is_paged(as_user: SignIn, make_submission: Make) -> None:
    reviewer = await as_user("REVIEWER")
    waiting = [str((await make_submission(activity="SHINE")).id) for _ in range(5)]
    seen, path = [], "/api/review/queue?limit=2"
    while path:
        answer = await reviewer.get(path)
        seen += [item["submission"]["id"] for item in answer.json()["items"]]
        path = answer.links["next"]["url"] if "next" in answer.links else ""
    assert seen == waiting


async def test_who_is_erased_while_their_claim_waits_claims_nothing(
    as_user: SignIn, make_submission: Make, owner: Database
) -> None:
    reviewer = await as_user("REVIEWER")
    await make_submission()
    async with owner.session() as session:
        await session.execute(text("UPDATE users SET erased_at = now() WHERE id = :id"), {"id": reviewer.user.id})
        claiming = asyncio.create_task(reviewer.post("/api/review/claims", json={"count": 1}))
        await waits_for_a_lock(owner)
    answer = await claiming
    assert (answer.status_code, answer.json()["code"]) == (403, "USER_ERASED")


async def test_claims_keep_reviewers_apart(as_user: SignIn, make_submission: Make, owner: Database) -> None:
    one, two = await as_user("REVIEWER"), await as_user("REVIEWER")
    waiting = [str((await make_submission(activity="SHINE")).id) for _ in range(3)]
    await make_submission(one.user, "SHINE")
    taken = (await one.post("/api/review/claims", json={"count": 2})).json()["items"]
    assert [item["submission"]["id"] for item in taken] == waiting[:2]
    assert {item["claim"]["reviewerId"] for item in taken} == {one.user.id}
    rest = (await two.post("/api/review/claims", json={"count": 20})).json()["items"]
    assert rest[0]["submission"]["id"] == waiting[2]
    assert len((await two.get("/api/review/queue?claimed=false")).json()["items"]) == 0
    refused = await two.post(f"/api/review/{waiting[0]}/approve", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "CLAIMED_BY_ANOTHER")
    assert (await two.delete(f"/api/review/claims/{waiting[0]}")).status_code == 404
    assert (await one.delete(f"/api/review/claims/{waiting[0]}")).status_code == 204
    assert (await two.post(f"/api/review/{waiting[0]}/approve", json={})).status_code == 200
    async with owner.session() as session:
        await session.execute(text("UPDATE review_claims SET expires_at = now() - interval '1 second'"))
    assert (await two.post(f"/api/review/{waiting[1]}/approve", json={})).status_code == 200


async def test_nobody_is_handed_what_a_colleague_takes_at_the_same_moment(
    as_user: SignIn, make_submission: Make
) -> None:
    reviewers = [await as_user("REVIEWER") for _ in range(5)]
    for _ in range(20):
        await make_submission(activity="SHINE")
    answers = await race(*[reviewer.post("/api/review/claims", json={"count": 5}) for reviewer in reviewers])
    handed = [item["submission"]["id"] for answer in answers for item in answer.json()["items"]]  # type: ignore[union-attr]
    assert len(handed) == len(set(handed)) == 20


async def test_two_approvals_of_one_submission_award_once(
    as_user: SignIn, make_submission: Make, owner: Database
) -> None:
    reviewers = [await as_user("REVIEWER") for _ in range(6)]
    waiting = await make_submission(activity="EXPLORE")
    answers = await race(*[reviewer.post(f"/api/review/{waiting.id}/approve", json={}) for reviewer in reviewers])
    assert sorted(answer.status_code for answer in answers if isinstance(answer, httpx.Response)) == [200] + [409] * 5
    assert len(await ledger(owner, waiting.user_id)) == 1


async def test_two_learn_and_explore_approvals_of_one_person_keep_the_rules(
    as_user: SignIn, make_user: Make, make_submission: Make, owner: Database
) -> None:
    reviewers, teacher = [await as_user("REVIEWER") for _ in range(4)], await make_user()
    waiting = [await make_submission(teacher, "EXPLORE") for _ in range(4)]
    await race(
        *[
            reviewer.post(f"/api/review/{row.id}/approve", json={})
            for reviewer, row in zip(reviewers, waiting, strict=True)
        ]
    )
    assert [points for _, points, _ in await ledger(owner, teacher.id)] == [50]


async def test_an_approval_of_another_version_is_refused(as_user: SignIn) -> None:
    teacher, reviewer = await as_user(), await as_user("REVIEWER")
    body = {"activityCode": "SHINE", "payload": {"ideaTitle": "a", "ideaSummary": "b"}}
    created = (await teacher.post("/api/submissions", json=body)).json()
    await teacher.patch(f"/api/submissions/{created['id']}", json={"visibility": "PUBLIC"})
    answer = await reviewer.post(f"/api/review/{created['id']}/approve", json={"version": 1})
    assert (answer.status_code, answer.json()["code"], answer.json()["current_version"]) == (
        409,
        "SUBMISSION_CHANGED",
        2,
    )
    assert (await reviewer.post(f"/api/review/{created['id']}/approve", json={"version": 2})).status_code == 200


async def test_evidence_that_nobody_saw_never_gets_points(as_user: SignIn, owner: Database) -> None:
    """An edit races an approval that names the version: one of the two is refused, whichever comes first."""
    teacher, reviewer = await as_user(), await as_user("REVIEWER")
    for number in range(8):
        payload: dict[str, Any] = {"peersTrained": 1, "studentsTrained": 0, "sessionDate": "2024-05-03"}
        body = {"activityCode": "AMPLIFY", "payload": payload}
        created = (await teacher.post("/api/submissions", json=body)).json()
        more = {"payload": {**payload, "peersTrained": 5 + number % 2}}
        edit, approval = await race(
            teacher.patch(f"/api/submissions/{created['id']}", json=more),
            reviewer.post(f"/api/review/{created['id']}/approve", json={"version": 1}),
        )
        assert isinstance(edit, httpx.Response)
        assert isinstance(approval, httpx.Response)
        assert sorted([edit.status_code, approval.status_code]) == [200, 409]
        if approval.status_code == 200:
            assert approval.json()["pointsAwarded"] == 2
        await teacher.post(f"/api/submissions/{created['id']}/withdraw")
    assert {points for _, points, _ in await ledger(owner, teacher.user.id)} <= {2}


async def test_bulk_decisions_stand_or_fail_each_on_its_own(
    as_user: SignIn, make_submission: Make, owner: Database
) -> None:
    reviewer = await as_user("REVIEWER")
    good, bad, own = [
        await make_submission(activity="EXPLORE"),
        await make_submission(activity="SHINE"),
        await make_submission(reviewer.user, "SHINE"),
    ]
    gone = uuid4()
    decisions: list[dict[str, Any]] = [
        {"id": str(good.id), "decision": "approve", "version": 1},
        {"id": str(bad.id), "decision": "reject"},
        {"id": str(own.id), "decision": "approve"},
        {"id": str(gone), "decision": "approve"},
        {"id": str(good.id), "decision": "approve"},
        {"id": str(bad.id), "decision": "reject", "note": "No."},
    ]
    answer = await reviewer.post("/api/review/bulk", json={"decisions": decisions})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["id"] for result in results] == [decision["id"] for decision in decisions]
    assert [result["ok"] for result in results] == [True, False, False, False, False, True]
    assert results[0]["pointsAwarded"] == 50
    codes = [result["problem"]["code"] for result in results if not result["ok"]]
    assert codes == ["VALIDATION_FAILED", "OWN_SUBMISSION", "NOT_FOUND", "ALREADY_REVIEWED"]
    assert len(await ledger(owner, good.user_id)) == 1


async def test_a_bulk_decision_survives_what_the_database_refuses(as_user: SignIn, make_submission: Make) -> None:
    reviewer = await as_user("REVIEWER")
    same = [await make_submission(activity="LEARN", payload={"certificateHash": "the-same-hash"}) for _ in range(2)]
    other = await make_submission(activity="EXPLORE")
    decisions = [{"id": str(row.id), "decision": "approve"} for row in (*same, other)]
    results = (await reviewer.post("/api/review/bulk", json={"decisions": decisions})).json()["results"]
    assert [result["ok"] for result in results] == [True, False, True]
    assert results[1]["problem"]["code"] == "CERTIFICATE_ALREADY_USED"


async def test_overlapping_bulk_decisions_do_not_deadlock(
    as_user: SignIn, make_submission: Make, owner: Database
) -> None:
    reviewers = [await as_user("REVIEWER") for _ in range(4)]
    waiting = [await make_submission(activity="EXPLORE") for _ in range(12)]
    bodies = [
        {
            "decisions": [
                {"id": str(row.id), "decision": "approve"} for row in (waiting if number % 2 else waiting[::-1])
            ]
        }
        for number in range(4)
    ]
    answers = await race(*[r.post("/api/review/bulk", json=b) for r, b in zip(reviewers, bodies, strict=True)])
    assert [answer.status_code for answer in answers if isinstance(answer, httpx.Response)] == [200] * 4
    for row in waiting:
        assert len(await ledger(owner, row.user_id)) == 1


async def test_a_revocation_takes_back_exactly_the_award_and_leaves_badges(
    as_user: SignIn, make_user: Make, make_submission: Make, owner: Database
) -> None:
    admin, teacher = await as_user("ADMIN"), await make_user()
    waiting = await make_submission(teacher, "EXPLORE")
    await admin.post(f"/api/review/{waiting.id}/approve", json={"points": 45, "reason": "Half of it"})
    assert (await admin.post(f"/api/review/{waiting.id}/revoke", json={})).status_code == 422
    answer = await admin.post(f"/api/review/{waiting.id}/revoke", json={"reason": "Copied"})
    assert (answer.json()["status"], answer.json()["pointsAwarded"]) == ("REVOKED", 45)
    again = await admin.post(f"/api/review/{waiting.id}/revoke", json={"reason": "Copied"})
    assert (again.status_code, again.json()["code"]) == (409, "SUBMISSION_NOT_APPROVED")
    assert [points for _, points, _ in await ledger(owner, teacher.id)] == [45, -45]
    async with owner.session() as session:
        assert (await session.execute(text("SELECT badge_code FROM earned_badges"))).scalar() == "IN_CLASS_INNOVATOR"
    anew = await make_submission(teacher, "EXPLORE")
    assert (await admin.post(f"/api/review/{anew.id}/approve", json={})).json()["pointsAwarded"] == 50


async def test_an_operators_approval_by_hand_is_revoked_for_what_it_gave(
    as_user: SignIn, make_submission: Make, make_entry: Make, owner: Database
) -> None:
    admin = await as_user("ADMIN")
    done = await make_submission(activity="EXPLORE", status="APPROVED", points_awarded=None)
    await make_entry(done.user_id, 50, "EXPLORE")
    second = await make_submission(done.user_id, "EXPLORE")
    assert (await admin.post(f"/api/review/{second.id}/approve", json={})).json()["pointsAwarded"] == 0
    assert (await admin.post(f"/api/review/{done.id}/revoke", json={"reason": "Copied"})).status_code == 200
    assert sum(points for _, points, _ in await ledger(owner, done.user_id)) == 0


async def test_an_adjustment_needs_a_key_and_counts_once(as_user: SignIn, make_user: Make, owner: Database) -> None:
    admin, teacher = await as_user("ADMIN"), await make_user()
    body = {"userId": teacher.id, "activityCode": "LEARN", "deltaPoints": 20, "reason": "Lost certificate"}
    missing = await admin.post("/api/admin/points/adjustments", json=body)
    assert (missing.status_code, missing.json()["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")
    answers = [
        await admin.post("/api/admin/points/adjustments", json=body, headers={"Idempotency-Key": "k1"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["badgesEarned"] == ["STARTER"]
    assert await ledger(owner, teacher.id) == [("MANUAL", 20, f"adjustment:{answers[0].json()['id']}")]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"deltaPoints": 0}, 422, "VALIDATION_FAILED"),
        ({"deltaPoints": 1001}, 422, "VALIDATION_FAILED"),
        ({"deltaPoints": 10**40}, 422, "VALIDATION_FAILED"),
        ({"reason": ""}, 422, "VALIDATION_FAILED"),
        ({"activityCode": "REST"}, 422, "VALIDATION_FAILED"),
        ({"userId": "nobody"}, 404, "NOT_FOUND"),
    ],
)
async def test_an_adjustment_that_makes_no_sense_is_refused(
    as_user: SignIn, make_user: Make, changes: dict[str, Any], status: int, code: str
) -> None:
    admin, teacher = await as_user("ADMIN"), await make_user()
    body = {"userId": teacher.id, "activityCode": "LEARN", "deltaPoints": 5, "reason": "x", **changes}
    answer = await admin.post("/api/admin/points/adjustments", json=body, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_nobody_adjusts_their_own_points(as_user: SignIn) -> None:
    admin = await as_user("SUPERADMIN")
    body = {"userId": admin.user.id, "activityCode": "LEARN", "deltaPoints": 5, "reason": "x"}
    answer = await admin.post("/api/admin/points/adjustments", json=body, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (403, "OWN_POINTS")


async def test_points_are_shown_to_their_owner_and_to_administrators(as_user: SignIn, make_entry: Make) -> None:
    teacher, admin = await as_user(), await as_user("ADMIN")
    await make_entry(teacher.user, 50, "EXPLORE")
    await make_entry(teacher.user, 20, "LEARN")
    await make_entry(teacher.user, -5, "LEARN", source="MANUAL")
    own = (await teacher.get("/api/me/points")).json()
    assert (own["totalPoints"], own["entries"]) == (65, 3)
    assert own["byActivity"] == [
        {"activityCode": "EXPLORE", "points": 50, "entries": 1},
        {"activityCode": "LEARN", "points": 15, "entries": 2},
    ]
    assert (await admin.get(f"/api/admin/users/{teacher.user.id}/points")).json() == own
    assert (await admin.get("/api/admin/users/nobody/points")).status_code == 404
    page = (await teacher.get("/api/me/points/entries?limit=2")).json()
    rest = (await teacher.get(f"/api/me/points/entries?limit=2&cursor={page['nextCursor']}")).json()
    assert [entry["deltaPoints"] for entry in page["items"] + rest["items"]] == [-5, 20, 50]
    assert rest["nextCursor"] is None
