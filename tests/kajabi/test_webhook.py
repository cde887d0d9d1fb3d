"""The webhook over HTTP: who may call, what is stored, what is answered."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from tests.kajabi.conftest import Deliver, Rows
from tests.kajabi.deliveries import AI_1, AI_2, ALL, OTHER_SECRET, OTHER_TOKEN, SECRET, TOKEN, URL, flat, hook
from tests.support.racing import race

from elevate_api.config import KajabiSettings, Settings
from elevate_api.kajabi.signature import sign
from elevate_api.kit.db import Database

Make = Callable[..., Awaitable[Any]]
Read = Callable[[], Awaitable[list[Any]]]
PLAIN = "/api/webhooks/kajabi"


async def test_a_completion_becomes_points_a_badge_and_a_trail(
    deliver: Deliver, make_user: Make, events: Read, ledger: Read, rows: Rows
) -> None:
    siti = await make_user(email="Siti@school.test")
    answer = await deliver(hook("77", "siti@SCHOOL.test", ALL))
    assert answer.status_code == 200
    (event,) = await events()
    assert answer.json() == {
        "eventId": str(event["id"]), "status": "PROCESSED", "duplicate": False, "pointsAwarded": 20,
    }  # fmt: skip
    assert (event["user_id"], event["points_awarded"], event["attempts"]) == (siti.id, 20, 1)
    assert event["body"] == hook("77", "siti@SCHOOL.test", ALL)
    assert await ledger() == [(siti.id, 20, f"kajabi:77|tag:{ALL}")]
    assert await rows("SELECT badge_code FROM earned_badges") == [{"badge_code": "STARTER"}]
    assert {row["action"] for row in await rows("SELECT action FROM audit_log")} == {"kajabi.grant", "badge.grant"}
    assert await rows("SELECT kajabi_contact_id FROM users WHERE id = :id", id=siti.id) == [{"kajabi_contact_id": "77"}]


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        (URL, {}),
        (f"{PLAIN}/{OTHER_TOKEN}", {}),
        (PLAIN, {"X-Webhook-Secret": SECRET}),
        (PLAIN, {"X-Webhook-Secret": OTHER_SECRET}),
        (PLAIN, {"X-Kajabi-Signature": sign(OTHER_SECRET, hook("77"))}),
        (f"{PLAIN}/wrong", {"X-Kajabi-Signature": sign(SECRET, hook("77"))}),
        (URL, {"Content-Type": "text/plain"}),
        (URL, {"Content-Type": "application/x-www-form-urlencoded"}),
    ],
)
async def test_every_way_to_be_authentic_is_taken_with_any_content_type(
    deliver: Deliver, url: str, headers: dict[str, str], events: Read
) -> None:
    assert (await deliver(hook("77"), url, **headers)).status_code == 202
    assert [event["status"] for event in await events()] == ["UNMATCHED"]


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        (PLAIN, {}),
        (f"{PLAIN}/wrong", {}),
        (f"{PLAIN}/{SECRET}", {}),
        (PLAIN, {"X-Webhook-Secret": TOKEN}),
        (PLAIN, {"X-Kajabi-Signature": sign(SECRET, hook("78"))}),
        (PLAIN, {"Authorization": f"Bearer {SECRET}"}),
    ],
)
async def test_everybody_else_is_refused_and_nothing_is_stored(
    deliver: Deliver, url: str, headers: dict[str, str], events: Read
) -> None:
    answer = await deliver(hook("77"), url, **headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
    assert await events() == []


async def test_without_secrets_nobody_may_call(app: FastAPI, settings: Settings, deliver: Deliver) -> None:
    app.state.settings = settings.model_copy(update={"kajabi": KajabiSettings.model_validate({})})
    for url in (PLAIN, URL, f"{PLAIN}/%20"):
        assert (await deliver(hook("77"), url, **{"X-Webhook-Secret": ""})).status_code == 401


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"no json", "MALFORMED_JSON"), (b"\xff", "MALFORMED_JSON"), (b'{"a": 1}', "KAJABI_SHAPE_UNKNOWN")],
)
async def test_what_cannot_be_read_is_stored_parked_and_answered_400(
    deliver: Deliver, events: Read, body: bytes, code: str
) -> None:
    answer = await deliver(body)
    (event,) = await events()
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["event_id"] == str(event["id"])
    assert (event["status"], event["body"], event["next_attempt_at"]) == ("FAILED", body, None)
    assert (await deliver(body)).json()["event_id"] == str(event["id"])


async def test_a_body_may_have_a_megabyte_and_no_more(deliver: Deliver, events: Read) -> None:
    padding = 1_048_576 - len(hook("77", bio=""))
    assert (await deliver(hook("77", bio="x" * padding))).status_code == 202
    answer = await deliver(hook("77", bio="x" * (padding + 1)))
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert len(await events()) == 1


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    small = getattr(request, "param", None)
    return settings if small is None else settings.model_copy(update={"app": settings.app.model_copy(update=small)})


@pytest.mark.parametrize("settings", [{"max_body_bytes": 1024}], indirect=True)
async def test_a_smaller_limit_for_other_bodies_is_not_the_webhooks(deliver: Deliver) -> None:
    assert (await deliver(hook("77", bio="x" * 2000))).status_code == 202


async def test_the_same_delivery_again_answers_the_first_one(
    deliver: Deliver, make_user: Make, events: Read, ledger: Read
) -> None:
    await make_user(email="siti@school.test")
    first, again = [(await deliver(hook("77", "siti@school.test"))).json() for _ in range(2)]
    assert again == first | {"duplicate": True}
    assert [event["status"] for event in await events()] == ["PROCESSED", "DUPLICATE"]
    assert len(await ledger()) == 1


async def test_the_same_completion_in_another_shape_is_a_duplicate_too(
    deliver: Deliver, make_user: Make, events: Read, ledger: Read
) -> None:
    await make_user(email="siti@school.test")
    first = (await deliver(hook("77", "siti@school.test"))).json()
    for body in (flat("77", None), flat("78", "siti@school.test"), flat(None, "siti@school.test")):
        assert (await deliver(body)).json() == first | {"duplicate": True}
    assert [event["duplicate_of"] for event in await events()][1:] == [(await events())[0]["id"]] * 3
    assert len(await ledger()) == 1


async def test_tags_add_up_to_the_cap_and_are_final(deliver: Deliver, make_user: Make, ledger: Read) -> None:
    await make_user(email="siti@school.test")
    answers = [(await deliver(hook("77", "siti@school.test", tag))).json() for tag in (AI_1, AI_2, ALL)]
    assert [answer["pointsAwarded"] for answer in answers] == [10, 10, 0]
    assert [answer["status"] for answer in answers] == ["PROCESSED"] * 3
    assert [points for _, points, _ in await ledger()] == [10, 10]


async def test_a_form_and_an_adjustment_count_as_they_should(
    deliver: Deliver, make_user: Make, make_entry: Make
) -> None:
    siti = await make_user(email="siti@school.test")
    await make_entry(siti, 15, "LEARN", external_event_id="submission:x:approved:v1")
    await make_entry(siti, 5, "LEARN", source="MANUAL", external_event_id="adjustment:x")
    assert (await deliver(hook("77", "siti@school.test"))).json()["pointsAwarded"] == 5


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (hook("77", "siti@school.test", "newsletter"), "not a learn tag"),
        (hook("77", "siti@school.test", event="tag_removed"), "tag removals change no points"),
        (hook("77", "siti@school.test", event="purchase"), "not a tag event"),
        (hook("77", "siti@school.test", event="brand_new"), "not a tag event"),
        (b'{"event": "purchase.created", "member": {}, "offer": {}}', "not a tag event"),
    ],
)
async def test_other_events_are_stored_and_ignored(
    deliver: Deliver, make_user: Make, events: Read, ledger: Read, body: bytes, reason: str
) -> None:
    await make_user(email="siti@school.test")
    answer = await deliver(body)
    assert (answer.status_code, answer.json()["status"]) == (200, "IGNORED")
    assert [event["error"] for event in await events()] == [reason]
    assert await ledger() == []


async def test_a_contact_decides_before_an_address(deliver: Deliver, make_user: Make, ledger: Read) -> None:
    bound = await make_user(email="one@school.test", kajabi_contact_id="77")
    await make_user(email="two@school.test")
    await deliver(hook("77", "two@school.test"))
    assert [row[0] for row in await ledger()] == [bound.id]


async def test_an_unverified_address_matches_nobody(deliver: Deliver, make_user: Make) -> None:
    await make_user(email="siti@school.test", email_verified=False)
    answer = await deliver(hook("77", "siti@school.test"))
    assert (answer.status_code, answer.json()["status"]) == (202, "UNMATCHED")


async def test_somebody_with_another_contact_keeps_it_and_is_granted(
    deliver: Deliver, make_user: Make, ledger: Read, rows: Rows
) -> None:
    siti = await make_user(email="siti@school.test", kajabi_contact_id="1")
    await deliver(hook("77", "siti@school.test"))
    assert await ledger() == [(siti.id, 10, f"kajabi:77|tag:{AI_1}")]
    assert (await rows("SELECT kajabi_contact_id FROM users"))[0]["kajabi_contact_id"] == "1"


async def test_a_delivery_without_a_contact_is_named_after_the_person(
    deliver: Deliver, make_user: Make, ledger: Read
) -> None:
    siti = await make_user(email="siti@school.test")
    await deliver(flat(None, "siti@school.test"))
    assert await ledger() == [(siti.id, 10, f"kajabi:user:{siti.id}|tag:{AI_1}")]


async def test_a_told_time_is_when_it_happened(deliver: Deliver, make_user: Make, rows: Rows) -> None:
    await make_user(email="siti@school.test")
    await deliver(flat("77", "siti@school.test", created_at="2025-01-31T08:00:00+07:00"))
    (row,) = await rows("SELECT event_time FROM points_ledger")
    assert row["event_time"].isoformat() == "2025-01-31T01:00:00+00:00"


async def test_any_role_is_granted_and_a_suspension_takes_no_completion_away(
    deliver: Deliver, make_user: Make, ledger: Read, owner: Database
) -> None:
    await make_user("REVIEWER", email="siti@school.test")
    async with owner.session() as session:
        await session.execute(text("UPDATE users SET suspended_at = now()"))
    await deliver(hook("77", "siti@school.test"))
    assert len(await ledger()) == 1


async def test_a_delivery_that_cannot_be_stored_is_not_acknowledged(
    app: FastAPI, deliver: Deliver, owner: Database, events: Read
) -> None:
    async with owner.session() as session:
        await session.execute(text("ALTER TABLE kajabi_events ADD CONSTRAINT broken CHECK (false) NOT VALID"))
    answer = await deliver(hook("77"))
    assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
    assert "retry-after" in answer.headers
    assert await events() == []


async def test_a_failure_after_storing_is_acknowledged_and_tried_again(
    deliver: Deliver, make_user: Make, owner: Database, events: Read, database: Database, settings: Settings
) -> None:
    from elevate_api.kajabi import inbox  # noqa: PLC0415

    await make_user(email="siti@school.test")
    async with owner.session() as session:
        await session.execute(text("ALTER TABLE points_ledger ADD CONSTRAINT broken CHECK (false) NOT VALID"))
    answer = await deliver(hook("77", "siti@school.test"))
    assert (answer.status_code, answer.json()["status"]) == (202, "FAILED")
    (event,) = await events()
    assert (event["attempts"], event["error"]) == (1, "IntegrityError 23514 broken")
    wait = event["next_attempt_at"] - event["created_at"]
    assert 25 < wait.total_seconds() < 40
    async with owner.session() as session:
        await session.execute(text("ALTER TABLE points_ledger DROP CONSTRAINT broken"))
        await session.execute(text("UPDATE kajabi_events SET next_attempt_at = now()"))
    assert await inbox.sweep(database, settings.kajabi.learn_tags) == 1
    assert [event["status"] for event in await events()] == ["PROCESSED"]


async def test_after_enough_attempts_an_event_is_parked(
    deliver: Deliver, make_user: Make, owner: Database, events: Read, database: Database, settings: Settings
) -> None:
    from elevate_api.kajabi import inbox, rules  # noqa: PLC0415

    await make_user(email="siti@school.test")
    async with owner.session() as session:
        await session.execute(text("ALTER TABLE points_ledger ADD CONSTRAINT broken CHECK (false) NOT VALID"))
    await deliver(hook("77", "siti@school.test"))
    for _ in range(rules.MAX_ATTEMPTS - 1):
        async with owner.session() as session:
            await session.execute(text("UPDATE kajabi_events SET next_attempt_at = now()"))
        assert await inbox.sweep(database, settings.kajabi.learn_tags) == 1
    (event,) = await events()
    assert (event["attempts"], event["next_attempt_at"]) == (rules.MAX_ATTEMPTS, None)
    assert await inbox.sweep(database, settings.kajabi.learn_tags) == 0


async def test_what_a_crash_left_between_storing_and_processing_is_finished(
    owner: Database, make_user: Make, database: Database, settings: Settings, events: Read
) -> None:
    from elevate_api.kajabi import inbox  # noqa: PLC0415

    await make_user(email="siti@school.test")
    statement = """
        INSERT INTO kajabi_events (body, body_sha256, created_at)
        VALUES (:body, sha256(:body), now() - make_interval(secs => :age))"""
    async with owner.session() as session:
        for body, age in ((hook("77", "siti@school.test"), 31), (hook("78"), 5)):
            await session.execute(text(statement), {"body": body, "age": age})
    assert await inbox.sweep(database, settings.kajabi.learn_tags) == 1
    assert [event["status"] for event in await events()] == ["PROCESSED", "RECEIVED"]


async def test_a_repetition_finishes_what_a_crash_left(
    owner: Database, make_user: Make, deliver: Deliver, events: Read
) -> None:
    await make_user(email="siti@school.test")
    body = hook("77", "siti@school.test")
    async with owner.session() as session:
        await session.execute(
            text("INSERT INTO kajabi_events (body, body_sha256) VALUES (:body, sha256(:body))"), {"body": body}
        )
    answer = await deliver(body)
    assert (answer.status_code, answer.json()["status"], answer.json()["duplicate"]) == (200, "PROCESSED", True)
    assert [event["status"] for event in await events()] == ["PROCESSED", "DUPLICATE"]


async def test_deliveries_about_one_person_at_once_are_worth_what_they_are_worth_in_turn(
    deliver: Deliver, make_user: Make, ledger: Read, events: Read
) -> None:
    await make_user(email="siti@school.test")
    bodies = [hook("77", "siti@school.test", tag) for tag in (AI_1, AI_2, ALL)] * 4
    answers = await race(*(deliver(body) for body in bodies))
    assert {answer.status_code for answer in answers if isinstance(answer, httpx.Response)} == {200}
    assert sum(points for _, points, _ in await ledger()) == 20
    statuses = [event["status"] for event in await events()]
    assert (statuses.count("PROCESSED"), statuses.count("DUPLICATE")) == (3, 9)


async def test_an_erased_person_gets_no_points_and_is_not_collected_again(
    deliver: Deliver, make_user: Make, ledger: Read, events: Read, database: Database
) -> None:
    from elevate_api.users.erasure import erase  # noqa: PLC0415

    siti = await make_user(email="siti@school.test")
    await deliver(hook("77", "siti@school.test", AI_1))
    async with database.session() as session:
        await erase(session, siti.id, actor_id=None)
    for body in (hook("77", "siti@school.test", AI_1), hook("77", "siti@school.test", AI_2)):
        assert (await deliver(body)).status_code == 200
    assert len(await ledger()) == 1
    assert [event["status"] for event in await events()] == ["PROCESSED", "DUPLICATE", "IGNORED"]
    assert {(event["body"], event["email"]) for event in await events()} == {(b"", None)}


async def test_the_token_and_the_addresses_are_in_no_log_and_no_answer(
    deliver: Deliver, owner: Database, capfd: pytest.CaptureFixture[str], rows: Rows
) -> None:
    from elevate_api.kit import logging  # noqa: PLC0415

    logging.configure("DEBUG", json=True)
    async with owner.session() as session:
        await session.execute(text("ALTER TABLE points_ledger ADD CONSTRAINT broken CHECK (false) NOT VALID"))
        await session.execute(text("INSERT INTO users (id, handle, email, email_verified) "
                                   "VALUES ('user_s', 'siti', 'siti@school.test', true)"))  # fmt: skip
    bodies = (hook("77", "siti@school.test"), b"siti@school.test", hook("77"))
    answers = [await deliver(body) for body in bodies]
    answers += [await deliver(b"{}", f"/api/webhooks//kajabi/{TOKEN}"), await deliver(b"{}", f"{URL}/more")]
    logged = capfd.readouterr().err
    assert "/api/webhooks/kajabi/***" in logged
    audited = json.dumps([row["details"] for row in await rows("SELECT details FROM audit_log")])
    for secret in (TOKEN, SECRET, "siti@school.test"):
        assert secret not in logged
        assert secret not in audited
        assert all(secret not in answer.text for answer in answers)


async def test_a_client_that_goes_away_leaves_the_delivery_to_the_job(
    app: FastAPI, make_user: Make, events: Read
) -> None:
    """Cancelled between storing and processing, as when the process is told to end."""
    from elevate_api.kajabi import inbox, service  # noqa: PLC0415

    await make_user(email="siti@school.test")
    stored = asyncio.Event()

    async def never(*_arguments: Any, **_options: Any) -> Any:
        stored.set()
        await asyncio.Event().wait()

    original, service.process = service.process, never
    try:
        tags = app.state.settings.kajabi.learn_tags
        task = asyncio.create_task(inbox.receive(app.state.database, hook("77", "siti@school.test"), tags))
        await stored.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    finally:
        service.process = original
    assert [event["status"] for event in await events()] == ["RECEIVED"]


@pytest.mark.parametrize("again", [False, True])
async def test_a_grant_whose_confirmation_is_lost_is_told_as_it_stands(
    deliver: Deliver, make_user: Make, events: Read, ledger: Read, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """The connection breaks between PostgreSQL's commit and its answer; `again`: of a tag that was granted before."""
    siti = await make_user(email="siti@school.test")
    if again:
        assert (await deliver(hook("77", "siti@school.test", ALL))).json()["status"] == "PROCESSED"
    once = Database.once

    async def lose(self: Database, statement: str, *arguments: Any) -> Any:
        rows = await once(self, statement, *arguments)
        if "kajabi_process" in statement:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        return rows

    monkeypatch.setattr(Database, "once", lose)
    answer = await deliver(hook("77", "siti@school.test", ALL, extra="other bytes"))
    first, *_ = await events()
    assert answer.status_code == 200
    assert answer.json() == {
        "eventId": str(first["id"]), "status": "PROCESSED", "duplicate": again, "pointsAwarded": 20,
    }  # fmt: skip
    assert await ledger() == [(siti.id, 20, f"kajabi:77|tag:{ALL}")]
