"""Rules under simultaneous transactions, each on a connection of its own."""

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

import asyncpg
import pytest
from tests.database.conftest import Connect
from tests.support.racing import race
from tests.support.sql import Connection, add_person, approve, edit, refused, submit

QUOTA = "submissions_amplify_quota"


async def connections(connect: Connect, number: int) -> list[Connection]:
    return [await connect() for _ in range(number)]


def outcomes(results: list[Any]) -> tuple[int, list[str]]:
    """How many passed, and the rules that refused the others; anything else fails the test."""
    rules = []
    for result in results:
        if isinstance(result, BaseException):
            assert isinstance(result, asyncpg.IntegrityConstraintViolationError), result
            rules.append(result.constraint_name)
    return len(results) - len(rules), rules


async def until_blocked(watcher: Connection, blocked: Connection, task: asyncio.Task[Any]) -> None:
    """Return when that connection waits for a lock; its task must not have ended."""
    query = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1"
    async with asyncio.timeout(30):
        while not await watcher.fetchval(query, blocked.get_server_pid()):
            assert not task.done(), "it did not wait"
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("round_", range(3))
async def test_20_simultaneous_amplify_claims_never_exceed_the_quota(
    round_: int, connect: Connect, person: str
) -> None:
    lanes = await connections(connect, 20)
    payload = {"peersTrained": 11, "studentsTrained": 1}
    passed, rules = outcomes(await race(*(submit(lane, person, "AMPLIFY", payload=payload) for lane in lanes)))
    # The hourly limit speaks once ten are in; with 11 peers each four fit.
    assert passed == 4
    assert set(rules) == {QUOTA}
    assert await lanes[0].fetchval("SELECT sum(peers_trained) FROM submissions") == 44


@pytest.mark.parametrize("round_", range(3))
async def test_inserts_against_edits_never_exceed_the_quota(
    round_: int, connect: Connect, service: Connection, person: str
) -> None:
    claims = [await submit(service, person, "AMPLIFY", payload={"peersTrained": 5}) for _ in range(5)]
    lanes = await connections(connect, 15)
    edits: list[Awaitable[Any]] = [
        edit(lane, claim, "AMPLIFY", peersTrained=20) for lane, claim in zip(lanes, claims * 2, strict=False)
    ]
    inserts = [submit(lane, person, "AMPLIFY", payload={"peersTrained": 15}) for lane in lanes[10:]]
    mixed = [one for pair in zip(edits[:5], inserts, strict=True) for one in pair] + edits[5:]
    passed, rules = outcomes(await race(*mixed))
    assert passed >= 1
    assert set(rules) == {QUOTA}
    total = await service.fetchval("SELECT sum(peers_trained) FROM submissions WHERE status = 'PENDING'")
    assert 25 < total <= 50


async def test_edits_of_two_claims_never_exceed_the_quota(connect: Connect, service: Connection, person: str) -> None:
    claims = [await submit(service, person, "AMPLIFY", payload={"peersTrained": 10}) for _ in range(2)]
    lanes = await connections(connect, 2)
    results = await race(
        *(edit(lane, claim, "AMPLIFY", peersTrained=30) for lane, claim in zip(lanes, claims, strict=True))
    )
    assert outcomes(results) == (1, [QUOTA])


async def test_an_approval_beside_inserts_keeps_what_it_counts(
    connect: Connect, service: Connection, person: str, reviewer: str
) -> None:
    claim = await submit(service, person, "AMPLIFY", payload={"peersTrained": 50})
    lanes = await connections(connect, 10)
    results = await race(
        approve(service, claim, reviewer, 100),
        *(submit(lane, person, "AMPLIFY", payload={"peersTrained": 1}) for lane in lanes),
    )
    assert outcomes(results) == (1, [QUOTA] * 10)


async def test_10_simultaneous_learn_submissions_leave_one(connect: Connect, person: str) -> None:
    lanes = await connections(connect, 10)
    passed, rules = outcomes(await race(*(submit(lane, person, "LEARN") for lane in lanes)))
    assert (passed, set(rules)) == (1, {"submissions_one_active_learn"})
    assert await lanes[0].fetchval("SELECT count(*) FROM submissions") == 1


async def test_30_simultaneous_submissions_keep_the_hourly_limit(connect: Connect, person: str) -> None:
    lanes = await connections(connect, 30)
    passed, rules = outcomes(await race(*(submit(lane, person, "SHINE") for lane in lanes)))
    assert (passed, set(rules)) == (10, {"submissions_hourly_limit"})


async def test_submissions_are_recorded_in_the_order_of_their_turns(connect: Connect, person: str) -> None:
    """A transaction that waited is recorded after the one that it waited for, not when it began."""
    first, second = await connections(connect, 2)
    late = second.transaction()
    await late.start()
    await second.fetchval("SELECT now()")
    await submit(first, person, "EXPLORE")
    await submit(second, person, "PRESENT")
    await late.commit()
    order = await first.fetch("SELECT activity_code FROM submissions ORDER BY created_at")
    assert [row[0] for row in order] == ["EXPLORE", "PRESENT"]


@pytest.mark.parametrize("round_", range(3))
async def test_two_demotions_of_the_last_two_superadmins_leave_one(
    round_: int, connect: Connect, service: Connection
) -> None:
    for boss in ("boss", "other"):
        await add_person(service, boss, "SUPERADMIN")
    lanes = await connections(connect, 2)
    demote = "UPDATE users SET role = 'ADMIN' WHERE id = $1"
    results = await race(*(lane.execute(demote, boss) for lane, boss in zip(lanes, ("boss", "other"), strict=True)))
    assert outcomes(results) == (1, ["users_last_superadmin"])


async def test_a_demotion_waits_for_the_one_before_it(connect: Connect, service: Connection) -> None:
    for boss in ("boss", "other"):
        await add_person(service, boss, "SUPERADMIN")
    first, second = await connections(connect, 2)
    demote = "UPDATE users SET role = 'ADMIN' WHERE id = $1"
    async with first.transaction():
        await first.execute(demote, "boss")
        waiting = asyncio.create_task(second.execute(demote, "other"))
        await until_blocked(service, second, waiting)
    with refused("users_last_superadmin"):
        await waiting


async def test_a_demotion_beside_an_erasure_leaves_one(connect: Connect, service: Connection) -> None:
    for boss in ("boss", "other"):
        await add_person(service, boss, "SUPERADMIN")
    one, two = await connections(connect, 2)
    results = await race(
        one.execute("UPDATE users SET role = 'ADMIN' WHERE id = 'boss'"),
        two.execute("UPDATE users SET erased_at = now() WHERE id = 'other'"),
    )
    assert outcomes(results) == (1, ["users_last_superadmin"])


async def test_one_event_is_written_once_by_many(connect: Connect, person: str) -> None:
    lanes = await connections(connect, 10)
    insert = (
        "INSERT INTO points_ledger (user_id, activity_code, source, delta_points, external_event_id)"
        " VALUES ($1, 'LEARN', 'WEBHOOK', 10, 'kajabi:1|tag:x')"
    )
    passed, rules = outcomes(await race(*(lane.execute(insert, person) for lane in lanes)))
    assert (passed, set(rules)) == (1, {"points_ledger_external_event_id_key"})


async def test_two_approvals_of_one_certificate_leave_one(
    connect: Connect, service: Connection, person: str, reviewer: str
) -> None:
    await add_person(service, "budi")
    payload = {"certificateHash": "cd" * 32}
    claims = [await submit(service, owner, "LEARN", payload=payload) for owner in (person, "budi")]
    lanes = await connections(connect, 2)
    results = await race(*(approve(lane, claim, reviewer, 20) for lane, claim in zip(lanes, claims, strict=True)))
    assert outcomes(results) == (1, ["submissions_certificate_hash_key"])


async def test_quota_details_are_whole_under_a_race(connect: Connect, person: str) -> None:
    lanes = await connections(connect, 8)
    results = await race(
        *(submit(lane, person, "AMPLIFY", payload={"peersTrained": 25, "studentsTrained": 1}) for lane in lanes)
    )
    details = [json.loads(result.detail) for result in results if isinstance(result, asyncpg.PostgresError)]
    assert [detail["used"]["peers"] for detail in details] == [50] * 6
