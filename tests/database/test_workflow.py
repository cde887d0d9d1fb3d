"""PENDING -> APPROVED | REJECTED | WITHDRAWN, APPROVED -> REVOKED, nothing else (shared/domain.md)."""

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest
from tests.support.sql import Connection, add_person, approve, change, edit, refused, restoring, submit

STATUSES = ("PENDING", "APPROVED", "REJECTED", "WITHDRAWN", "REVOKED")
ALLOWED = {("PENDING", "APPROVED"), ("PENDING", "REJECTED"), ("PENDING", "WITHDRAWN"), ("APPROVED", "REVOKED")}
NOW = datetime(2024, 5, 1, tzinfo=UTC)
DECISION = {"reviewer_id": "rina", "reviewed_at": NOW}
REVOCATION = {"revoked_by": "rina", "revoked_at": NOW, "revoke_reason": "twice"}
STATE: dict[str, dict[str, Any]] = {
    "PENDING": {},
    "APPROVED": {**DECISION, "points_awarded": 50},
    "REJECTED": {**DECISION, "review_note": "blurred"},
    "WITHDRAWN": {},
    "REVOKED": {**DECISION, "points_awarded": 50, **REVOCATION},
}
STEP: dict[str, dict[str, Any]] = {
    "PENDING": {},
    "APPROVED": {"reviewer_id": "rina", "points_awarded": 50},
    "REJECTED": {"reviewer_id": "rina", "review_note": "blurred"},
    "WITHDRAWN": {},
    "REVOKED": REVOCATION,
}
FINAL = ("APPROVED", "REJECTED", "WITHDRAWN", "REVOKED")


async def given(operator: Connection, person: str, status: str, activity: str = "EXPLORE") -> Any:
    async with restoring(operator):
        return await submit(operator, person, activity, status=status, **STATE[status])


@pytest.mark.parametrize(("old", "new"), list(permutations(STATUSES, 2)))
async def test_only_the_steps_of_the_workflow_are_taken(
    old: str, new: str, anybody: Connection, operator: Connection, person: str, reviewer: str
) -> None:
    submission = await given(operator, person, old)
    step = {"status": new, **STEP[new]}
    if (old, new) in ALLOWED:
        await change(anybody, submission, **step)
    else:
        with refused("submissions_workflow"):
            await change(anybody, submission, **step)
    expected = new if (old, new) in ALLOWED else old
    assert await anybody.fetchval("SELECT status FROM submissions") == expected


async def test_a_submission_starts_pending(anybody: Connection, person: str, reviewer: str) -> None:
    for status in FINAL:
        with refused("submissions_starts_pending"):
            await submit(anybody, person, status=status, **STATE[status])
    assert await anybody.fetchval("SELECT count(*) FROM submissions") == 0


@pytest.mark.parametrize(
    "decided",
    [
        {"version": 2},
        {"points_awarded": 5},
        {"reviewer_id": "rina"},
        {"reviewed_at": NOW},
        {"review_note": "fine"},
        {"adjustment_reason": "more"},
        {"revoked_by": "rina"},
        {"revoked_at": NOW},
        {"revoke_reason": "why"},
    ],
    ids=lambda columns: next(iter(columns)),
)
async def test_a_submission_starts_undecided(
    decided: dict[str, Any], service: Connection, person: str, reviewer: str
) -> None:
    with refused("submissions_starts_pending"):
        await submit(service, person, **decided)


async def test_a_submission_is_created_now_whatever_it_says(service: Connection, person: str) -> None:
    await submit(service, person, created_at=NOW, updated_at=NOW)
    late = "SELECT max(clock_timestamp() - created_at) < interval '1 minute' AND bool_and(created_at = updated_at)"
    assert await service.fetchval(f"{late} FROM submissions")


async def test_an_edit_of_the_evidence_raises_the_version(anybody: Connection, person: str) -> None:
    submission = await submit(anybody, person)
    assert await anybody.fetchval("SELECT version FROM submissions") == 1
    await edit(anybody, submission, school="SMA 1")
    assert await anybody.fetchval("SELECT version FROM submissions") == 2
    await change(anybody, submission, visibility="PUBLIC")
    assert await anybody.fetchval("SELECT version FROM submissions") == 3


async def test_a_version_cannot_be_chosen(anybody: Connection, person: str) -> None:
    submission = await submit(anybody, person)
    await change(anybody, submission, version=9)
    assert await anybody.fetchval("SELECT version FROM submissions") == 1


async def test_an_update_that_changes_nothing_leaves_the_version(anybody: Connection, person: str) -> None:
    submission = await submit(anybody, person)
    await edit(anybody, submission)
    assert await anybody.fetchval("SELECT version FROM submissions") == 1


@pytest.mark.parametrize("status", FINAL)
async def test_evidence_is_frozen_once_it_is_no_longer_pending(
    status: str, anybody: Connection, operator: Connection, person: str, reviewer: str
) -> None:
    submission = await given(operator, person, status)
    with refused("submissions_evidence_frozen"):
        await edit(anybody, submission, school="SMA 1")
    with refused("submissions_evidence_frozen"):
        await change(anybody, submission, visibility="PUBLIC")


@pytest.mark.parametrize("status", ["APPROVED", "REJECTED", "WITHDRAWN"])
async def test_evidence_does_not_change_in_the_step_that_decides(
    status: str, anybody: Connection, person: str, reviewer: str
) -> None:
    submission = await submit(anybody, person)
    with refused("submissions_evidence_frozen"):
        await change(anybody, submission, status=status, visibility="PUBLIC", **STEP[status])


@pytest.mark.parametrize(
    "column",
    [
        {"id": "018f0000-0000-7000-8000-000000000000"},
        {"user_id": "rina"},
        {"activity_code": "SHINE"},
        {"created_at": NOW},
    ],
    ids=lambda columns: next(iter(columns)),
)
@pytest.mark.parametrize("status", ["PENDING", "APPROVED"])
async def test_identity_never_changes(
    status: str, column: dict[str, Any], anybody: Connection, operator: Connection, person: str, reviewer: str
) -> None:
    submission = await given(operator, person, status)
    with refused("submissions_identity"):
        await change(anybody, submission, **column)


LATER = datetime(2030, 1, 1, tzinfo=UTC)
WRITTEN_BY_DECISIONS: list[dict[str, Any]] = [
    {"points_awarded": 1},
    {"reviewer_id": "other"},
    {"reviewed_at": LATER},
    {"review_note": "in truth"},
    {"adjustment_reason": "more"},
    {"revoked_by": "other"},
    {"revoked_at": LATER},
    {"revoke_reason": "in truth"},
]


@pytest.mark.parametrize("status", STATUSES)
async def test_what_a_decision_or_a_revocation_wrote_stays(
    status: str, anybody: Connection, operator: Connection, person: str, reviewer: str
) -> None:
    await add_person(operator, "other", "ADMIN")
    submission = await given(operator, person, status)
    for column in WRITTEN_BY_DECISIONS:
        with refused("submissions_decision_frozen"):
            await change(anybody, submission, **column)


async def test_a_revocation_leaves_the_award(service: Connection, person: str, reviewer: str) -> None:
    submission = await submit(service, person)
    await approve(service, submission, reviewer, 50)
    with refused("submissions_decision_frozen"):
        await change(service, submission, status="REVOKED", points_awarded=0, **REVOCATION)
    await change(service, submission, status="REVOKED", **REVOCATION)
    assert await service.fetchval("SELECT points_awarded FROM submissions") == 50


async def test_a_decision_notes_its_moment_by_itself(service: Connection, person: str, reviewer: str) -> None:
    """The manual's UPDATE names status and reviewer only."""
    submission = await submit(service, person)
    await change(service, submission, status="APPROVED", reviewer_id=reviewer)
    assert await service.fetchval("SELECT reviewed_at >= created_at FROM submissions")


@pytest.mark.parametrize(
    ("step", "rule"),
    [
        ({"status": "APPROVED"}, "submissions_decision_has_reviewer"),
        ({"status": "APPROVED", "reviewer_id": "ayu"}, "submissions_own_review"),
        ({"status": "APPROVED", "reviewer_id": "nobody"}, "submissions_reviewer_id_fkey"),
        ({"status": "APPROVED", "reviewer_id": "rina", "points_awarded": 1001}, "submissions_points_awarded"),
        ({"status": "APPROVED", "reviewer_id": "rina", "points_awarded": -1}, "submissions_points_awarded"),
        ({"status": "REJECTED", "reviewer_id": "rina", "review_note": " "}, "submissions_rejection_has_note"),
        ({"status": "REJECTED", "reviewer_id": "rina"}, "submissions_rejection_has_note"),
        (
            {"status": "REJECTED", "reviewer_id": "rina", "review_note": "no", "points_awarded": 0},
            "submissions_points_awarded",
        ),
    ],
)
async def test_a_decision_is_complete(
    step: dict[str, Any], rule: str, anybody: Connection, person: str, reviewer: str
) -> None:
    submission = await submit(anybody, person)
    with refused(rule):
        await change(anybody, submission, **step)


@pytest.mark.parametrize("missing", list(REVOCATION))
async def test_a_revocation_says_who_when_and_why(
    missing: str, anybody: Connection, person: str, reviewer: str
) -> None:
    submission = await submit(anybody, person)
    await approve(anybody, submission, reviewer)
    step = {key: value for key, value in REVOCATION.items() if key != missing}
    with refused("submissions_revocation_has_reason"):
        await change(anybody, submission, status="REVOKED", **step)


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"visibility": "FRIENDS"}, "submissions_visibility"),
        ({"status": "DRAFT"}, "submissions_starts_pending"),
        ({"activity_code": "DANCE"}, "submissions_activity_code_fkey"),
        ({"user_id": "nobody"}, "submissions_user_id_fkey"),
    ],
)
async def test_a_submission_names_what_exists(
    columns: dict[str, Any], rule: str, anybody: Connection, person: str
) -> None:
    with refused(rule):
        await submit(anybody, person, **columns)


@pytest.mark.parametrize("payload", ["[]", '"text"', "null", "3"])
async def test_evidence_is_a_json_object(payload: str, anybody: Connection, person: str) -> None:
    with refused("submissions_payload"):
        await anybody.execute(
            "INSERT INTO submissions (user_id, activity_code, payload) VALUES ($1, 'SHINE', $2)", person, payload
        )
