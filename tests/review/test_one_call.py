"""Hot writes are one call of the database, and keep every rule that several statements kept."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from tests.support.payloads import payload_for

from elevate_api.kit.db import Database

SignIn = Callable[..., Awaitable[Any]]
Make = Callable[..., Awaitable[Any]]
NEW = {"activityCode": "SHINE", "payload": payload_for("SHINE")}


async def rows(owner: Database, statement: str) -> list[tuple[Any, ...]]:
    async with owner.session() as session:
        return [tuple(row) for row in await session.execute(text(statement))]


def no_transaction(self: Database) -> AbstractAsyncContextManager[Any]:
    raise AssertionError("a transaction of several statements")


async def test_a_hot_write_is_one_statement(
    as_user: SignIn, make_submission: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, reviewer, waiting = await as_user(), await as_user("REVIEWER"), [await make_submission() for _ in range(3)]
    lot = {"decisions": [{"id": str(row.id), "decision": "approve"} for row in waiting[1:]]}
    sent: list[str] = []
    once = Database.once

    async def counted(self: Database, statement: str, *arguments: Any) -> Any:
        sent.append(statement)
        return await once(self, statement, *arguments)

    monkeypatch.setattr(Database, "once", counted)
    monkeypatch.setattr(Database, "session", no_transaction)
    answers = [
        await teacher.post("/api/submissions", json=NEW),
        await reviewer.post(f"/api/review/{waiting[0].id}/approve", json={}),
        await reviewer.post("/api/review/bulk", json=lot),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert len(sent) == 3


async def test_a_role_that_was_taken_away_decides_nothing_more(
    as_user: SignIn, make_submission: Make, owner: Database
) -> None:
    reviewer, waiting = await as_user("REVIEWER"), await make_submission(activity="SHINE")
    await rows(owner, f"UPDATE users SET role = 'PARTICIPANT' WHERE id = '{reviewer.user.id}' RETURNING id")
    lot = {"decisions": [{"id": str(waiting.id), "decision": "approve"}]}
    for path, body in ((f"{waiting.id}/approve", {}), (f"{waiting.id}/reject", {"note": "no"}), ("bulk", lot)):
        answer = await reviewer.post(f"/api/review/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert await rows(owner, "SELECT status, reviewer_id FROM submissions") == [("PENDING", None)]
    assert await rows(owner, "SELECT action FROM audit_log") == []


@pytest.mark.parametrize(("column", "code"), [("suspended_at", "USER_SUSPENDED"), ("erased_at", "USER_ERASED")])
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
async def test_who_is_shut_out_submits_nothing(
    as_user: SignIn, owner: Database, column: str, code: str, headers: dict[str, str]
) -> None:
    teacher = await as_user()
    await rows(owner, f"UPDATE users SET {column} = now() WHERE id = '{teacher.user.id}' RETURNING id")
    future = {"activityCode": "EXPLORE", "payload": payload_for("EXPLORE", classDate="2999-01-01")}
    for body in (NEW, future, {"activityCode": "SHINE"}):
        answer = await teacher.post("/api/submissions", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, code)
    assert await rows(owner, "SELECT id FROM submissions") == []


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "first"}])
async def test_who_is_new_submits_with_the_first_request(
    client: Any, bearer: Callable[..., dict[str, str]], owner: Database, key: dict[str, str]
) -> None:
    headers = {**bearer("user_new", email="siti@school.test", name="Siti"), **key}
    answers = [await client.post("/api/submissions", json=NEW, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert await rows(owner, "SELECT id, email, name FROM users") == [("user_new", "siti@school.test", "Siti")]
    assert len(await rows(owner, "SELECT id FROM submissions")) == (1 if key else 2)
    assert (answers[0].json() == answers[1].json()) is bool(key)


async def test_what_the_token_newly_says_is_written_with_the_submission(
    as_user: SignIn, bearer: Callable[..., dict[str, str]], owner: Database
) -> None:
    teacher = await as_user()
    said = bearer(teacher.user.id, email="new@school.test", email_verified=True)
    assert (await teacher.post("/api/submissions", json=NEW, headers=said)).status_code == 201
    found = await rows(owner, f"SELECT email, email_verified FROM users WHERE id = '{teacher.user.id}'")
    assert found == [("new@school.test", True)]


async def test_a_lot_comes_to_what_its_decisions_come_to_one_by_one(
    as_user: SignIn, make_user: Make, make_submission: Make, make_entry: Make, owner: Database
) -> None:
    """Several of one person, a cap nearly used, a certificate twice, somebody else's claim, rejections, nonsense."""
    reviewer, other = await as_user("REVIEWER"), await as_user("REVIEWER")

    async def lot() -> list[dict[str, Any]]:
        busy, capped = await make_user(), await make_user()
        await make_entry(capped, 13, "LEARN", external_event_id=f"kajabi:{uuid4()}|tag:a")
        made = [
            *[await make_submission(busy, "EXPLORE") for _ in range(3)],
            await make_submission(busy, "AMPLIFY", payload={"peersTrained": 4, "studentsTrained": 3}),
            await make_submission(capped, "LEARN"),
            await make_submission(activity="SHINE", status="WITHDRAWN"),
            await make_submission(activity="SHINE", status="REJECTED"),
            await make_submission(reviewer.user, "SHINE"),
            await make_submission(activity="PRESENT"),
        ]
        claimed = await make_submission(activity="SHINE")
        values = f"'{claimed.id}', '{other.user.id}', now(), now() + interval '1 hour'"
        await rows(owner, f"INSERT INTO review_claims VALUES ({values}) RETURNING submission_id")
        ids = [str(row.id) for row in (*made, claimed)] + [str(uuid4()), str(made[0].id)]
        said = [{"id": one, "decision": "approve", "version": 1} for one in ids]
        said[8] = {"id": ids[8], "decision": "reject", "note": "Whose post is this?"}
        said[3]["version"] = 2
        return said

    async def outcome(said: list[dict[str, Any]], results: list[dict[str, Any]]) -> Any:
        told = [(r["ok"], r["pointsAwarded"], (r["problem"] or {}).get("code")) for r in results]
        ids = {UUID(one["id"]): place for place, one in reversed(list(enumerate(said)))}
        kept = await rows(owner, "SELECT id, status, points_awarded, review_note, version FROM submissions")
        found = await rows(owner, "SELECT target_id, action, details FROM audit_log WHERE target_type = 'submission'")
        audit = sorted(
            (ids[UUID(target)], action, str(details)) for target, action, details in found if UUID(target) in ids
        )
        return told, sorted((ids[row[0]], *row[1:]) for row in kept if row[0] in ids), audit

    one_by_one, at_once = await lot(), await lot()
    results = []
    for one in one_by_one:
        answer = await reviewer.post("/api/review/bulk", json={"decisions": [one]})
        results += answer.json()["results"]
    expected = await outcome(one_by_one, results)
    answer = await reviewer.post("/api/review/bulk", json={"decisions": at_once})
    found = await outcome(at_once, answer.json()["results"])
    assert found == expected
    assert [told[0] for told in found[0]] == [True, True, True, False, True, *[False] * 3, True, *[False] * 3]
    assert [told[1] for told in found[0][:5]] == [50, 0, 0, None, 7]


async def test_a_refusal_is_the_same_error_whichever_way_a_statement_went(database: Database, make_user: Make) -> None:
    user = await make_user()
    statement = "INSERT INTO users (id, handle) VALUES ($1, $2)"
    heard: list[object] = []  # as the alerts hear of it
    database.error_listeners.append(heard.append)
    event.listen(database.engine.sync_engine, "handle_error", heard.append)
    with pytest.raises(IntegrityError) as once:
        await database.once(statement, "user_other", user.handle)
    assert len(heard) == 1
    with pytest.raises(IntegrityError) as within:
        async with database.session() as session:
            await (await session.connection()).exec_driver_sql(statement, ("user_other", user.handle))
    assert str(once.value.orig) == str(within.value.orig)
    assert len(heard) == 2


async def test_a_statement_that_was_cancelled_leaves_a_pool_that_works(database: Database, owner: Database) -> None:
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"
    for _ in range(3):
        await database.once("SELECT 1")  # there is a connection now: the task below has only its statement to wait for
        waiting = asyncio.create_task(database.once("SELECT pg_sleep(60)"))
        while await rows(owner, sleeping) == [(0,)]:  # noqa: ASYNC110 - the server is waited for
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert [tuple(row) for row in await database.once("SELECT $1::int + 1", 1)] == [(2,)]
    with pytest.raises(DBAPIError):
        await database.once("SELECT 1 / 0")
    assert await database.once("SELECT 1")
