"""AMPLIFY: at most 50 peers and 200 students in any rolling 7 days by created_at (shared/domain.md)."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tests.support.sql import Connection, add_person, approve, change, edit, refused, restoring, submit

WEEK = timedelta(days=7)
TICK = timedelta(microseconds=1)
QUOTA = "submissions_amplify_quota"


async def claim(connection: Connection, person: str, peers: int = 0, students: int = 0, **columns: Any) -> UUID:
    payload = {"peersTrained": peers, "studentsTrained": students}
    return await submit(connection, person, "AMPLIFY", payload=payload, **columns)


async def past(
    operator: Connection, person: str, ago: timedelta, peers: int = 0, students: int = 0, **columns: Any
) -> UUID:
    """A claim of an earlier time, brought in by the operator's switch."""
    at = await operator.fetchval("SELECT clock_timestamp() - $1::interval", ago)
    async with restoring(operator):
        return await claim(operator, person, peers, students, created_at=at, **columns)


async def recount(connection: Connection, submission: UUID, peers: int = 0, students: int = 0) -> None:
    await edit(connection, submission, "AMPLIFY", peersTrained=peers, studentsTrained=students)


def detail(error: pytest.ExceptionInfo[asyncpg.PostgresError]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(error.value.detail)
    return found


@pytest.mark.parametrize("split", [[(50, 200)], [(25, 100), (25, 100)], [(50, 0), (0, 200)], [(1, 1)] * 9])
async def test_claims_up_to_the_limits_pass(split: list[tuple[int, int]], anybody: Connection, person: str) -> None:
    for peers, students in split:
        await claim(anybody, person, peers, students)
    assert await anybody.fetchval("SELECT count(*) FROM submissions") == len(split)


@pytest.mark.parametrize(("peers", "students"), [(1, 0), (0, 1), (1, 1), (50, 200)])
async def test_one_more_than_the_limits_is_refused(peers: int, students: int, anybody: Connection, person: str) -> None:
    await claim(anybody, person, 50, 200)
    with refused(QUOTA):
        await claim(anybody, person, peers, students)


async def test_each_limit_counts_by_itself(anybody: Connection, person: str) -> None:
    await claim(anybody, person, 50, 1)
    await claim(anybody, person, 0, 199)
    with refused(QUOTA):
        await claim(anybody, person, 0, 1)


@pytest.mark.parametrize(
    "payload",
    [
        {"peersTrained": 51},
        {"studentsTrained": 201},
        {"peersTrained": -1},
        {"peersTrained": 0, "studentsTrained": 0},
        {"peersTrained": 1.5},
        {"peersTrained": "5"},
        {"peersTrained": None},
        {"studentsTrained": None},
        {"peersTrained": [5]},
        {"peersTrained": 10**30},
    ],
)
async def test_counts_are_whole_numbers_within_bounds(
    payload: dict[str, Any], anybody: Connection, person: str
) -> None:
    # The quota may speak first for counts above it.
    with pytest.raises(asyncpg.CheckViolationError) as info:
        await submit(anybody, person, "AMPLIFY", payload=payload)
    assert info.value.constraint_name in {"submissions_amplify_counts", QUOTA}


async def test_nobody_uses_up_the_quota_of_another(anybody: Connection, person: str) -> None:
    await add_person(anybody, "budi")
    await claim(anybody, person, 50, 200)
    await claim(anybody, "budi", 50, 200)
    assert await anybody.fetchval("SELECT sum(peers_trained) FROM submissions") == 100


async def test_other_stages_do_not_count(anybody: Connection, person: str) -> None:
    await claim(anybody, person, 50, 200)
    await submit(anybody, person, "SHINE", payload={"peersTrained": 50})
    with refused(QUOTA):
        await claim(anybody, person, 1)


@pytest.mark.parametrize("status", ["REJECTED", "WITHDRAWN", "REVOKED"])
async def test_what_came_to_nothing_does_not_count(
    status: str, service: Connection, person: str, reviewer: str
) -> None:
    first = await claim(service, person, 50, 200)
    if status == "REVOKED":
        await approve(service, first, reviewer)
        moment = await service.fetchval("SELECT now()")
        await change(service, first, status=status, revoked_by=reviewer, revoked_at=moment, revoke_reason="x")
    elif status == "REJECTED":
        await change(service, first, status=status, reviewer_id=reviewer, review_note="no")
    else:
        await change(service, first, status=status)
    await claim(service, person, 50, 200)
    with refused(QUOTA):
        await claim(service, person, 1)


async def test_approved_claims_count(service: Connection, person: str, reviewer: str) -> None:
    await approve(service, await claim(service, person, 50, 200), reviewer, 300)
    with refused(QUOTA):
        await claim(service, person, 1)


async def test_a_claim_older_than_seven_days_does_not_count(
    service: Connection, operator: Connection, person: str
) -> None:
    await past(operator, person, WEEK, 50, 200)
    await claim(service, person, 50, 200)
    assert await service.fetchval("SELECT count(*) FROM submissions") == 2


async def test_a_claim_younger_than_seven_days_counts(service: Connection, operator: Connection, person: str) -> None:
    await past(operator, person, WEEK - timedelta(seconds=20), 50, 200)
    with refused(QUOTA):
        await claim(service, person, 1)


@pytest.mark.parametrize("apart", [-WEEK, WEEK])
async def test_claims_exactly_seven_days_apart_are_in_no_window_together(
    apart: timedelta, service: Connection, operator: Connection, person: str
) -> None:
    """An edit is judged at the submission's own created_at, which a restore can place to the microsecond."""
    middle = datetime(2024, 5, 15, 3, tzinfo=UTC)
    async with restoring(operator):
        await claim(operator, person, 50, 200, created_at=middle + apart)
        edited = await claim(operator, person, 1, 0, created_at=middle)
    await recount(service, edited, 50, 200)
    nearer = apart - TICK if apart > timedelta(0) else apart + TICK
    async with restoring(operator):
        await operator.execute("UPDATE submissions SET created_at = $2 WHERE id <> $1", edited, middle + nearer)
        await operator.execute("UPDATE submissions SET payload = jsonb_set(payload, '{peersTrained}', '1')")
        await operator.execute("UPDATE submissions SET payload = jsonb_set(payload, '{studentsTrained}', '200')")
    with refused(QUOTA):
        await recount(service, edited, 1, 1)
    assert await service.fetchval("SELECT students_trained FROM submissions WHERE id = $1", edited) == 200


async def test_an_edit_is_judged_over_every_window_that_contains_it(
    service: Connection, operator: Connection, person: str
) -> None:
    """20 five days before, 20 five days after: neither window holds both, each holds the edited one."""
    middle = datetime(2024, 5, 15, 3, tzinfo=UTC)
    five = timedelta(days=5)
    async with restoring(operator):
        await claim(operator, person, 20, created_at=middle - five)
        edited = await claim(operator, person, 10, created_at=middle)
        await claim(operator, person, 35, created_at=middle + five)
    await recount(service, edited, 15)
    with refused(QUOTA) as info:
        await recount(service, edited, 16)
    assert detail(info)["used"]["peers"] == 35


async def test_a_window_leaves_out_what_lies_exactly_seven_days_before_its_end(
    service: Connection, operator: Connection, person: str
) -> None:
    """25 three days before and 25 four days after are in no window together; each is in one with the edited claim."""
    middle = datetime(2024, 5, 15, 3, tzinfo=UTC)
    async with restoring(operator):
        await claim(operator, person, 25, created_at=middle - timedelta(days=3))
        edited = await claim(operator, person, 1, created_at=middle)
        await claim(operator, person, 25, created_at=middle + timedelta(days=4))
    await recount(service, edited, 25)
    with refused(QUOTA):
        await recount(service, edited, 26)


async def test_windows_that_do_not_contain_the_edited_one_are_not_judged(
    service: Connection, operator: Connection, person: str
) -> None:
    """Two old claims break the limit between themselves (an import may): a third far away can still be edited."""
    middle = datetime(2024, 5, 15, 3, tzinfo=UTC)
    async with restoring(operator):
        await claim(operator, person, 50, created_at=middle)
        await claim(operator, person, 50, created_at=middle + timedelta(days=1))
        edited = await claim(operator, person, 10, created_at=middle + timedelta(days=9))
    await recount(service, edited, 50)
    assert await service.fetchval("SELECT peers_trained FROM submissions WHERE id = $1", edited) == 50


async def test_an_edit_is_judged_at_its_own_time_not_now(
    service: Connection, operator: Connection, person: str
) -> None:
    old = await past(operator, person, timedelta(days=30), 1, 0)
    await claim(service, person, 50, 200)
    await recount(service, old, 50, 200)
    assert await service.fetchval("SELECT sum(peers_trained) FROM submissions") == 100


async def test_an_edit_does_not_count_its_former_self(anybody: Connection, person: str) -> None:
    submission = await claim(anybody, person, 30, 100)
    await recount(anybody, submission, 50, 200)
    await recount(anybody, submission, 1, 0)
    await claim(anybody, person, 49, 200)
    with refused(QUOTA):
        await recount(anybody, submission, 2, 0)


async def test_a_refused_edit_changes_nothing(service: Connection, person: str) -> None:
    first = await claim(service, person, 30, 100)
    await claim(service, person, 20, 100)
    with refused(QUOTA):
        await recount(service, first, 31, 100)
    row = await service.fetchrow("SELECT version, peers_trained FROM submissions WHERE id = $1", first)
    assert tuple(row) == (1, 30)


async def test_the_refusal_says_limit_used_requested_and_when(
    service: Connection, operator: Connection, person: str
) -> None:
    await past(operator, person, timedelta(days=6), 20, 10)
    await past(operator, person, timedelta(days=3), 20, 10)
    first, second = [row[0] for row in await service.fetch("SELECT created_at FROM submissions ORDER BY created_at")]
    with refused(QUOTA) as info:
        await claim(service, person, 20, 10)
    assert detail(info) == {
        "limit": {"peers": 50, "students": 200},
        "used": {"peers": 40, "students": 20},
        "requested": {"peers": 20, "students": 10},
        "resets_at": stamp(first + WEEK),
    }
    with refused(QUOTA) as info:
        await claim(service, person, 31, 1)
    assert detail(info)["resets_at"] == stamp(second + WEEK)


async def test_the_moment_that_the_refusal_names_is_the_first_that_works(
    service: Connection, operator: Connection, person: str
) -> None:
    """Moved back by what is left until `resets_at`, the same claim passes; a little less, and it does not."""
    await past(operator, person, timedelta(days=6), 30, 0)
    await past(operator, person, timedelta(days=2), 10, 0)
    with refused(QUOTA) as info:
        await claim(service, person, 40, 0)
    wait = datetime.fromisoformat(detail(info)["resets_at"]) - await service.fetchval("SELECT clock_timestamp()")
    for shift, passes in ((wait - timedelta(seconds=20), False), (timedelta(seconds=20), True)):
        async with restoring(operator):
            await operator.execute("UPDATE submissions SET created_at = created_at - $1::interval", shift)
        if passes:
            await claim(service, person, 40, 0)
        else:
            with refused(QUOTA):
                await claim(service, person, 40, 0)


async def test_waiting_does_not_help_an_edit(service: Connection, person: str) -> None:
    await claim(service, person, 40, 0)
    submission = await claim(service, person, 10, 0)
    with refused(QUOTA) as info:
        await recount(service, submission, 11, 0)
    assert detail(info)["resets_at"] is None


async def test_the_limits_are_those_of_the_settings(service: Connection, operator: Connection, person: str) -> None:
    await operator.execute("UPDATE app_settings SET value = '10' WHERE key = 'amplify_peer_limit'")
    await claim(service, person, 10)
    with refused(QUOTA) as info:
        await claim(service, person, 1)
    assert detail(info)["limit"] == {"peers": 10, "students": 200}


async def test_a_claim_that_never_fits_names_no_moment(service: Connection, operator: Connection, person: str) -> None:
    await operator.execute("UPDATE app_settings SET value = '10' WHERE key = 'amplify_peer_limit'")
    with refused(QUOTA) as info:
        await claim(service, person, 11)
    assert detail(info)["resets_at"] is None


async def test_without_their_rows_the_limits_are_those_of_the_rule(
    service: Connection, operator: Connection, person: str
) -> None:
    await operator.execute("DELETE FROM app_settings")
    await claim(service, person, 50, 200)
    with refused(QUOTA):
        await claim(service, person, 1)


async def test_several_claims_in_one_statement_are_judged_together(anybody: Connection, person: str) -> None:
    with refused(QUOTA):
        await anybody.execute(
            """INSERT INTO submissions (user_id, activity_code, payload)
               SELECT $1, 'AMPLIFY', '{"peersTrained": 20, "studentsTrained": 1}' FROM generate_series(1, 3)""",
            person,
        )
    assert await anybody.fetchval("SELECT count(*) FROM submissions") == 0


async def test_several_edits_in_one_statement_are_judged_together(anybody: Connection, person: str) -> None:
    for _ in range(3):
        await claim(anybody, person, 10)
    with refused(QUOTA):
        await anybody.execute("UPDATE submissions SET payload = jsonb_set(payload, '{peersTrained}', '20')")
    assert await anybody.fetchval("SELECT sum(peers_trained) FROM submissions") == 30


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
