"""The administrators' routes: look, match, try again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from tests.kajabi.conftest import Deliver, Rows
from tests.kajabi.deliveries import AI_1, AI_2, flat, hook
from tests.support.waiting import waits_for_a_lock

from elevate_api.kajabi import replay, service
from elevate_api.kit.db import Database

Make = Callable[..., Awaitable[Any]]
Read = Callable[[], Awaitable[list[Any]]]
SignIn = Callable[..., Awaitable[Any]]
EVENTS = "/api/admin/kajabi/events"


async def test_events_are_listed_by_status_the_newest_first_page_by_page(deliver: Deliver, as_user: SignIn) -> None:
    admin = await as_user("ADMIN")
    ids = [(await deliver(hook(str(number)))).json()["eventId"] for number in range(5)]
    await deliver(hook("9", tag="newsletter"))
    seen: list[str] = []
    url = f"{EVENTS}?status=UNMATCHED&limit=2"
    while url:
        answer = await admin.get(url)
        assert answer.status_code == 200
        seen += [item["id"] for item in answer.json()["items"]]
        url = answer.links.get("next", {}).get("url", "")
    assert seen == ids[::-1]
    assert len((await admin.get(EVENTS)).json()["items"]) == 6
    assert (await admin.get(f"{EVENTS}?status=LOST")).status_code == 422


async def test_an_event_is_shown_with_what_arrived(deliver: Deliver, as_user: SignIn) -> None:
    admin = await as_user("ADMIN")
    event_id = (await deliver(hook("77", "siti@school.test"))).json()["eventId"]
    shown = (await admin.get(f"{EVENTS}/{event_id}")).json()
    assert shown["body"] == hook("77", "siti@school.test").decode()
    assert (shown["contactId"], shown["email"], shown["tag"]) == ("77", "siti@school.test", AI_1)
    assert "body" not in (await admin.get(EVENTS)).json()["items"][0]
    assert (await admin.get(f"{EVENTS}/{uuid4()}")).status_code == 404


async def test_a_match_grants_binds_the_contact_and_settles_the_rest(
    deliver: Deliver, as_user: SignIn, make_user: Make, events: Read, rows: Rows
) -> None:
    admin, siti = await as_user("ADMIN"), await make_user(email="other@school.test")
    first = (await deliver(hook("77", "siti@school.test", AI_1))).json()["eventId"]
    await deliver(hook("77", "siti@school.test", AI_2))
    answer = await admin.post(f"{EVENTS}/{first}/match", json={"userId": siti.id})
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["userId"], answer.json()["pointsAwarded"]) == (
        "PROCESSED", siti.id, 10,
    )  # fmt: skip
    assert [event["status"] for event in await events()] == ["PROCESSED", "PROCESSED"]
    (trail,) = await rows("SELECT actor_id, target_id, details FROM audit_log WHERE action = 'kajabi.match'")
    assert (trail["actor_id"], trail["target_id"], trail["details"]["userId"]) == (admin.user.id, first, siti.id)
    again = await admin.post(f"{EVENTS}/{first}/match", json={"userId": siti.id})
    assert again.json() == answer.json()


async def test_a_match_that_cannot_be_is_refused(
    deliver: Deliver, as_user: SignIn, make_user: Make, owner: Database
) -> None:
    admin, siti, other = await as_user("ADMIN"), await make_user(), await make_user(kajabi_contact_id="77")
    erased = await make_user()
    async with owner.session() as session:
        await session.execute(text("UPDATE users SET erased_at = now() WHERE id = :id"), {"id": erased.id})
    processed = (await deliver(hook("77"))).json()["eventId"]
    waiting = (await deliver(hook("78"))).json()["eventId"]
    unreadable = (await deliver(b"{}")).json()["event_id"]
    bound = (await deliver(hook("77", tag="newsletter"))).json()["eventId"]
    for event, user, status, code in (
        (processed, siti.id, 409, "KAJABI_EVENT_FINAL"),
        (waiting, "user_nobody", 404, "NOT_FOUND"),
        (waiting, erased.id, 409, "CONFLICT"),
        (unreadable, siti.id, 409, "KAJABI_EVENT_UNREADABLE"),
        (bound, siti.id, 409, "KAJABI_CONTACT_TAKEN"),
        (str(uuid4()), siti.id, 404, "NOT_FOUND"),
    ):
        answer = await admin.post(f"{EVENTS}/{event}/match", json={"userId": user})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert other.id


@pytest.mark.parametrize(
    ("meanwhile", "code"),
    [
        ("status = 'IGNORED', body = '', email = NULL, contact_id = NULL", "KAJABI_EVENT_UNREADABLE"),
        (
            "status = 'PROCESSED', user_id = 'user_budi', points_awarded = 10, contact_id = 'user:user_budi'",
            "KAJABI_EVENT_FINAL",
        ),
    ],
)
async def test_a_match_of_what_another_settles_meanwhile_is_refused(
    deliver: Deliver, as_user: SignIn, make_user: Make, owner: Database, rows: Rows, meanwhile: str, code: str
) -> None:
    admin, siti = await as_user("ADMIN"), await make_user()
    await make_user(id="user_budi")
    event_id = (await deliver(flat(None, "siti@school.test", AI_1))).json()["eventId"]
    async with owner.session() as session:
        await session.execute(text(f"UPDATE kajabi_events SET {meanwhile} WHERE id = :id"), {"id": event_id})
        matching = asyncio.create_task(admin.post(f"{EVENTS}/{event_id}/match", json={"userId": siti.id}))
        await waits_for_a_lock(owner)
    answer = await matching
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert await rows("SELECT id FROM audit_log WHERE action = 'kajabi.match'") == []


async def everything(rows: Rows) -> dict[str, Any]:
    return {
        table: await rows(f"SELECT * FROM {table} ORDER BY 1")
        for table in ("kajabi_events", "points_ledger", "earned_badges", "users", "audit_log")
    }


async def test_replaying_everything_changes_nothing(
    deliver: Deliver, as_user: SignIn, make_user: Make, rows: Rows
) -> None:
    admin = await as_user("ADMIN")
    await make_user(email="siti@school.test")
    bodies = [
        hook("77", "siti@school.test", AI_1), hook("77", "siti@school.test", AI_1), hook("77", "x@y.test", AI_2),
        hook("78", "nobody@school.test"), hook("77", tag="newsletter"), hook("77", event="tag_removed"), b"{}", b"?",
    ]  # fmt: skip
    for body in bodies:
        await deliver(body)
    before = await everything(rows)
    for status in ("RECEIVED", "PROCESSED", "DUPLICATE", "IGNORED", "UNMATCHED", "FAILED"):
        answer = await admin.post(f"{EVENTS}/replay", json={"status": status})
        assert (answer.status_code, answer.json()["changed"]) == (200, 0)
    for event in before["kajabi_events"]:
        assert (await admin.post(f"{EVENTS}/{event['id']}/replay")).json()["status"] == event["status"]
    assert await everything(rows) == before


async def test_a_replay_settles_what_can_be_settled_now_and_says_so(
    deliver: Deliver, as_user: SignIn, make_user: Make, rows: Rows
) -> None:
    admin = await as_user("ADMIN")
    events = [(await deliver(hook(str(n), f"t{n}@school.test"))).json()["eventId"] for n in range(3)]
    await make_user(email="t0@school.test")
    await make_user(email="t1@school.test")
    one = await admin.post(f"{EVENTS}/{events[0]}/replay")
    assert (one.json()["status"], one.json()["pointsAwarded"]) == ("PROCESSED", 10)
    answer = (await admin.post(f"{EVENTS}/replay", json={"status": "UNMATCHED"})).json()
    assert answer == {"examined": 2, "changed": 1, "failed": 0, "pointsAwarded": 10, "nextCursor": None}
    trail = await rows("SELECT actor_id, details FROM audit_log WHERE action = 'kajabi.replay'")
    assert [(row["actor_id"], row["details"]) for row in trail] == [
        (admin.user.id, {"before": "UNMATCHED", "after": "PROCESSED"})
    ] * 2


async def test_a_replay_does_not_tell_what_another_settled_meanwhile_as_its_own(
    deliver: Deliver, as_user: SignIn, make_user: Make, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, other, siti = await as_user("ADMIN"), await as_user("ADMIN"), await make_user(email="other@school.test")
    load = service.load
    for contact, many in (("77", False), ("78", True)):
        event_id = (await deliver(hook(contact, "siti@school.test", AI_2 if many else AI_1))).json()["eventId"]
        left = [event_id]

        async def loaded_before_a_match(session: Any, event: Any, left: list[str] = left) -> Any:
            work = await load(session, event)
            if left:
                matched = await other.post(f"{EVENTS}/{left.pop()}/match", json={"userId": siti.id})
                assert matched.status_code == 200
            return work

        monkeypatch.setattr(service, "load", loaded_before_a_match)
        path, body = ("replay", {"status": "UNMATCHED"}) if many else (f"{event_id}/replay", None)
        answer = (await admin.post(f"{EVENTS}/{path}", json=body)).json()
        if many:
            assert (answer["examined"], answer["changed"], answer["pointsAwarded"]) == (1, 0, 0)
        else:
            assert answer["status"] == "PROCESSED"
    assert await rows("SELECT details FROM audit_log WHERE action = 'kajabi.replay'") == []


async def test_a_long_replay_goes_on_where_it_ended(
    deliver: Deliver, as_user: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BATCH", 2)
    admin = await as_user("ADMIN")
    for number in range(5):
        await deliver(hook(str(number)))
    examined: list[int] = []
    cursor = None
    while not examined or cursor:
        answer = (await admin.post(f"{EVENTS}/replay", json={"status": "UNMATCHED", "cursor": cursor})).json()
        examined.append(answer["examined"])
        cursor = answer["nextCursor"]
    assert examined == [2, 2, 1]


async def test_one_that_fails_does_not_stop_the_others(
    deliver: Deliver, as_user: SignIn, make_user: Make, owner: Database, events: Read
) -> None:
    admin = await as_user("ADMIN")
    for n in range(2):
        await deliver(hook(str(n), f"t{n}@school.test"))
    await make_user(id="user_bad", email="t0@school.test")
    await make_user(email="t1@school.test")
    async with owner.session() as session:
        await session.execute(
            text("ALTER TABLE points_ledger ADD CONSTRAINT broken CHECK (user_id <> 'user_bad') NOT VALID")
        )
    answer = (await admin.post(f"{EVENTS}/replay", json={"status": "UNMATCHED"})).json()
    assert (answer["examined"], answer["changed"], answer["failed"]) == (2, 1, 1)
    assert [event["status"] for event in await events()] == ["UNMATCHED", "PROCESSED"]


async def test_a_tag_that_becomes_a_learn_tag_is_granted_by_a_replay(
    deliver: Deliver, as_user: SignIn, make_user: Make, app: Any, settings: Any
) -> None:
    admin = await as_user("ADMIN")
    await make_user(email="siti@school.test")
    event_id = (await deliver(hook("77", "siti@school.test", "new-course"))).json()["eventId"]
    kajabi = settings.kajabi.model_copy(update={"learn_tags": {"new-course": 5}})
    app.state.settings = settings.model_copy(update={"kajabi": kajabi})
    assert (await admin.post(f"{EVENTS}/{event_id}/replay")).json()["pointsAwarded"] == 5


async def test_a_processed_event_is_final_in_the_database(
    deliver: Deliver, make_user: Make, database: Database, owner: Database
) -> None:
    await make_user(email="siti@school.test")
    await deliver(hook("77", "siti@school.test"))
    for connection in (database, owner):
        with pytest.raises(Exception, match="a processed event is final"):
            async with connection.session() as session:
                await session.execute(text("UPDATE kajabi_events SET points_awarded = 20"))
