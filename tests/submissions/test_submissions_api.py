from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from tests.support.payloads import payload_for
from tests.support.racing import race

SignIn = Callable[..., Awaitable[Any]]


def new(stage: str, visibility: str | None = None, **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"activityCode": stage, "payload": payload_for(stage, **changes)}
    return body if visibility is None else {**body, "visibility": visibility}


@pytest.mark.parametrize("stage", ["LEARN", "EXPLORE", "AMPLIFY", "PRESENT", "SHINE"])
async def test_evidence_is_submitted_and_waits(as_user: SignIn, stage: str) -> None:
    teacher = await as_user()
    created = await teacher.post("/api/submissions", json=new(stage, "PUBLIC"))
    assert created.status_code == 201
    body = created.json()
    assert created.headers["location"] == f"/api/submissions/{body['id']}"
    assert (body["status"], body["version"], body["visibility"], body["userId"]) == (
        "PENDING", 1, "PUBLIC", teacher.user.id,
    )  # fmt: skip
    assert body["attachments"] == []
    assert body["pointsAwarded"] is body["reviewerId"] is body["reviewedAt"] is None
    assert body["createdAt"].endswith("Z")
    assert (await teacher.get(created.headers["location"])).json() == body


async def test_faults_of_the_payload_are_pointed_at(as_user: SignIn) -> None:
    teacher = await as_user()
    answer = await teacher.post("/api/submissions", json=new("AMPLIFY", peersTrained=51, location={"city": 5}))
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "VALIDATION_FAILED"
    assert {fault["pointer"] for fault in problem["errors"]} == {"/payload/peersTrained", "/payload/location/city"}


async def test_a_payload_of_another_stage_is_refused(as_user: SignIn) -> None:
    teacher = await as_user()
    body = {"activityCode": "SHINE", "payload": payload_for("LEARN")}
    assert (await teacher.post("/api/submissions", json=body)).status_code == 422
    body = {"activityCode": "DANCE", "payload": {}}
    assert (await teacher.post("/api/submissions", json=body)).json()["code"] == "VALIDATION_FAILED"


async def test_the_stage_is_pointed_at_where_it_is_missing_or_none_of_ours(as_user: SignIn) -> None:
    teacher = await as_user()
    payload = payload_for("SHINE")
    missing = await teacher.post("/api/submissions", json={"payload": payload})
    assert missing.json()["errors"] == [{"pointer": "/activityCode", "message": "Field required"}]
    unknown = await teacher.post("/api/submissions", json={"activityCode": "DANCE", "payload": payload})
    stages = "'LEARN', 'EXPLORE', 'AMPLIFY', 'PRESENT', 'SHINE'"
    assert unknown.json()["errors"] == [{"pointer": "/activityCode", "message": f"must be one of {stages}"}]


@pytest.mark.parametrize(
    "body",
    [
        {"activity_code": "SHINE", "payload": payload_for("SHINE")},
        {"activityCode": "SHINE", "payload": {"idea_title": "A title", "idea_summary": "A summary"}},
    ],
)
async def test_names_that_are_not_those_of_the_wire_are_refused(as_user: SignIn, body: dict[str, Any]) -> None:
    teacher = await as_user()
    answer = await teacher.post("/api/submissions", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_FAILED")


@pytest.mark.parametrize("field", ["status", "pointsAwarded", "userId", "createdAt", "reviewerId"])
async def test_nobody_sets_what_the_service_decides(as_user: SignIn, field: str) -> None:
    teacher = await as_user()
    answer = await teacher.post("/api/submissions", json={**new("SHINE"), field: "APPROVED"})
    assert answer.status_code == 422


async def test_a_date_in_the_future_is_refused(as_user: SignIn) -> None:
    teacher = await as_user()
    answer = await teacher.post("/api/submissions", json=new("EXPLORE", classDate="2999-01-01"))
    assert answer.json()["errors"] == [{"pointer": "/payload/classDate", "message": "must not be in the future"}]


async def test_a_second_active_learn_submission_is_refused_until_the_first_is_gone(as_user: SignIn) -> None:
    teacher = await as_user()
    first = (await teacher.post("/api/submissions", json=new("LEARN"))).json()
    again = await teacher.post("/api/submissions", json=new("LEARN"))
    assert (again.status_code, again.json()["code"]) == (409, "LEARN_ALREADY_ACTIVE")
    assert (await teacher.post(f"/api/submissions/{first['id']}/withdraw")).json()["status"] == "WITHDRAWN"
    assert (await teacher.post("/api/submissions", json=new("LEARN"))).status_code == 201


async def test_the_quota_says_what_is_left_and_when(as_user: SignIn) -> None:
    teacher = await as_user()
    first = await teacher.post("/api/submissions", json=new("AMPLIFY", peersTrained=45, studentsTrained=10))
    answer = await teacher.post("/api/submissions", json=new("AMPLIFY", peersTrained=6, studentsTrained=0))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "AMPLIFY_QUOTA_EXCEEDED")
    assert problem["limit"] == {"peers": 50, "students": 200}
    assert problem["used"] == {"peers": 45, "students": 10}
    assert problem["requested"] == {"peers": 6, "students": 0}
    assert problem["resets_at"][:10] > first.json()["createdAt"][:10]
    assert (await teacher.post("/api/submissions", json=new("AMPLIFY", peersTrained=5))).status_code == 201


async def test_the_eleventh_submission_of_an_hour_is_refused(as_user: SignIn) -> None:
    teacher = await as_user()
    for _ in range(10):
        created = await teacher.post("/api/submissions", json=new("SHINE"))
        assert created.status_code == 201
    await teacher.post(f"/api/submissions/{created.json()['id']}/withdraw")
    answer = await teacher.post("/api/submissions", json=new("SHINE"))
    assert (answer.status_code, answer.json()["code"]) == (429, "SUBMISSION_RATE_LIMITED")
    assert 3500 < int(answer.headers["retry-after"]) <= 3600


async def test_an_edit_raises_the_version_and_replaces_what_is_given(as_user: SignIn) -> None:
    teacher = await as_user()
    created = (await teacher.post("/api/submissions", json=new("SHINE"))).json()
    path = f"/api/submissions/{created['id']}"
    edited = (await teacher.patch(path, json={"payload": payload_for("SHINE", ideaTitle="Better")})).json()
    assert (edited["version"], edited["payload"]["ideaTitle"], edited["visibility"]) == (2, "Better", "PRIVATE")
    shown = (await teacher.patch(path, json={"visibility": "PUBLIC"})).json()
    assert (shown["version"], shown["payload"], shown["visibility"]) == (3, edited["payload"], "PUBLIC")


async def test_an_edit_is_judged_like_a_new_submission(as_user: SignIn) -> None:
    teacher = await as_user()
    created = (await teacher.post("/api/submissions", json=new("AMPLIFY"))).json()
    path = f"/api/submissions/{created['id']}"
    wrong = await teacher.patch(path, json={"payload": {"peersTrained": 51}})
    assert wrong.status_code == 422
    assert "/payload/peersTrained" in {fault["pointer"] for fault in wrong.json()["errors"]}
    await teacher.post("/api/submissions", json=new("AMPLIFY", peersTrained=40))
    much = await teacher.patch(path, json={"payload": payload_for("AMPLIFY", peersTrained=11)})
    assert (much.status_code, much.json()["code"]) == (409, "AMPLIFY_QUOTA_EXCEEDED")
    assert (await teacher.get(path)).json() == created


async def test_a_decided_submission_is_neither_edited_nor_withdrawn(
    as_user: SignIn, make_submission: Callable[..., Awaitable[Any]]
) -> None:
    teacher = await as_user()
    for status in ("APPROVED", "REJECTED", "WITHDRAWN", "REVOKED"):
        path = f"/api/submissions/{(await make_submission(teacher.user, 'SHINE', status)).id}"
        for answer in (
            await teacher.patch(path, json={"visibility": "PUBLIC"}),
            await teacher.post(f"{path}/withdraw"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "SUBMISSION_NOT_PENDING")


async def test_somebody_elses_submission_does_not_exist_for_you(as_user: SignIn) -> None:
    teacher, other, reviewer = await as_user(), await as_user(), await as_user("REVIEWER")
    path = (await teacher.post("/api/submissions", json=new("SHINE"))).headers["location"]
    answers = [
        await other.get(path),
        await other.patch(path, json={"visibility": "PUBLIC"}),
        await other.post(f"{path}/withdraw"),
        await reviewer.patch(path, json={"visibility": "PUBLIC"}),
        await other.get("/api/submissions/not-an-id"),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404, 404, 422]
    assert (await reviewer.get(path)).status_code == 200


async def test_own_submissions_are_listed_newest_first_page_by_page(
    as_user: SignIn, make_submission: Callable[..., Awaitable[Any]]
) -> None:
    teacher = await as_user()
    made = [await make_submission(teacher.user, "SHINE", "WITHDRAWN") for _ in range(5)]
    await make_submission(teacher.user, "EXPLORE", "PENDING")
    await make_submission(activity="SHINE")
    seen, path = [], "/api/submissions?activityCode=SHINE&status=WITHDRAWN&limit=2"
    while path:
        answer = await teacher.get(path)
        seen += [item["id"] for item in answer.json()["items"]]
        link = answer.links.get("next")
        assert (link is None) == (answer.json()["nextCursor"] is None)
        path = link["url"] if link else ""
    assert seen == [str(row.id) for row in reversed(made)]


async def test_ten_simultaneous_learn_submissions_leave_one_active(as_user: SignIn) -> None:
    teacher = await as_user()
    answers = await race(*[teacher.post("/api/submissions", json=new("LEARN")) for _ in range(10)])
    assert sorted(answer.status_code for answer in answers if isinstance(answer, httpx.Response)) == [201] + [409] * 9


async def test_twenty_simultaneous_amplify_submissions_never_exceed_the_quota(as_user: SignIn) -> None:
    teacher = await as_user()
    body = new("AMPLIFY", peersTrained=9, studentsTrained=1)
    answers = await race(*[teacher.post("/api/submissions", json=body) for _ in range(20)])
    statuses = [answer.status_code for answer in answers if isinstance(answer, httpx.Response)]
    assert (statuses.count(201), statuses.count(409)) == (5, 15)


async def test_a_repeated_key_creates_once(as_user: SignIn) -> None:
    teacher = await as_user()
    headers = {"Idempotency-Key": "a-key"}
    first = await teacher.post("/api/submissions", json=new("SHINE"), headers=headers)
    again = await teacher.post("/api/submissions", json=new("SHINE"), headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["location"] == first.headers["location"]
    other = await teacher.post("/api/submissions", json=new("EXPLORE"), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len((await teacher.get("/api/submissions")).json()["items"]) == 1
