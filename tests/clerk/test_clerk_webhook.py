"""Sign-ups, changes and deletions at Clerk, as they arrive: late, twice, out of order."""

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import text
from tests.kajabi.deliveries import AI_1, hook
from tests.support.racing import race
from tests.support.waiting import waits_for_a_lock

from elevate_api.clerk.signature import key_of, sign
from elevate_api.config import ClerkSettings, Settings
from elevate_api.kajabi import inbox
from elevate_api.kit.db import Database
from elevate_api.users.erasure import erase_due

Make = Callable[..., Awaitable[Any]]
Bearer = Callable[..., dict[str, str]]
Send = Callable[..., Awaitable[httpx.Response]]
SECRET = "whsec_" + base64.b64encode(b"a key of twenty-four byt").decode()
NOW = 1_748_736_000_000
"""Clerk's milliseconds."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    clerk = settings.clerk.model_copy(update={"webhook_secrets": (SecretStr(SECRET),)})
    return settings.model_copy(update={"clerk": clerk})


@pytest.fixture
def send(client: httpx.AsyncClient) -> Send:
    numbers = count(1)

    async def post(message: dict[str, Any] | bytes, message_id: str | None = None, **headers: str) -> httpx.Response:
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        name, now = message_id or f"msg_{next(numbers)}", int(time.time())
        signed = {"svix-id": name, "svix-timestamp": str(now), "svix-signature": sign(name, now, body, key_of(SECRET))}
        return await client.post("/api/webhooks/clerk", content=body, headers={**signed, **headers})

    return post


def user(user_id: str = "user_siti", event: str = "updated", at: int = NOW, **fields: Any) -> dict[str, Any]:
    email = fields.pop("email", "siti@school.test")
    status = fields.pop("verification", "verified")
    data = {
        "id": user_id,
        "object": "user",
        "first_name": "Siti",
        "last_name": "Nurhaliza",
        "username": None,
        "image_url": "https://img.clerk.test/siti.png",
        "email_addresses": [
            {"id": "idn_0", "email_address": "second@school.test", "verification": {"status": "verified"}},
            {"id": "idn_1", "email_address": email, "verification": {"status": status}},
        ],
        "primary_email_address_id": "idn_1",
        "public_metadata": {"role": "SUPERADMIN"},
        "created_at": NOW,
        "updated_at": at,
        **fields,
    }
    return {"data": data, "object": "event", "type": f"user.{event}", "timestamp": at, "instance_id": "ins_1"}


def deleted(user_id: str = "user_siti", at: int = NOW + 1000) -> dict[str, Any]:
    return {"data": {"id": user_id, "object": "user", "deleted": True}, "type": "user.deleted", "timestamp": at}


@pytest.fixture
def people(owner: Database) -> Callable[[], Awaitable[list[dict[str, Any]]]]:
    async def select() -> list[dict[str, Any]]:
        async with owner.session() as session:
            rows = await session.execute(text("SELECT * FROM users ORDER BY id"))
            return [dict(row) for row in rows.mappings()]

    return select


async def test_a_sign_up_creates_the_person(send: Send, people: Any) -> None:
    answer = await send(user(event="created"))
    assert (answer.status_code, answer.json()) == (200, {"status": "created"})
    (siti,) = await people()
    assert (siti["name"], siti["handle"], siti["email"], siti["email_verified"], siti["role"]) == (
        "Siti Nurhaliza", "siti-nurhaliza", "siti@school.test", True, "PARTICIPANT",
    )  # fmt: skip
    assert siti["clerk_updated_at"].timestamp() * 1000 == NOW


async def test_a_message_that_comes_again_is_taken_in_once(send: Send, people: Any) -> None:
    assert (await send(user(), "msg_same")).json() == {"status": "created"}
    assert (await send(user(email="new@school.test", at=NOW + 5), "msg_same")).json() == {"status": "duplicate"}
    assert (await people())[0]["email"] == "siti@school.test"


async def test_the_same_message_several_times_at_once_is_taken_in_once(send: Send, people: Any) -> None:
    answers = await race(*(send(user(), "msg_same") for _ in range(5)))
    statuses = sorted(answer.json()["status"] for answer in answers if isinstance(answer, httpx.Response))
    assert statuses == ["created", *["duplicate"] * 4]
    assert len(await people()) == 1


async def test_the_newest_word_wins_whatever_the_order(send: Send, people: Any) -> None:
    await send(user(email="one@school.test", at=NOW))
    assert (await send(user(email="three@school.test", at=NOW + 2000))).json() == {"status": "updated"}
    assert (await send(user(email="two@school.test", at=NOW + 1000))).json() == {"status": "stale"}
    assert (await people())[0]["email"] == "three@school.test"


async def test_a_token_that_is_older_than_the_message_changes_nothing(
    send: Send, client: httpx.AsyncClient, bearer: Bearer
) -> None:
    await send(user(email="new@school.test", at=int(time.time() * 1000) + 60_000))
    me = await client.get("/api/me", headers=bearer("user_siti", email="old@school.test"))
    assert me.json()["email"] == "new@school.test"


async def test_somebody_known_from_a_token_is_completed(
    send: Send, client: httpx.AsyncClient, bearer: Bearer, people: Any
) -> None:
    await client.get("/api/me", headers=bearer("user_siti"))
    assert (await send(user())).json() == {"status": "updated"}
    (siti,) = await people()
    assert (siti["name"], siti["email"], siti["email_verified"]) == ("Siti Nurhaliza", "siti@school.test", True)


@pytest.mark.parametrize(("verification", "verified"), [("verified", True), ("unverified", False), ("expired", False)])
async def test_only_a_verified_primary_address_counts(
    send: Send, people: Any, verification: str, verified: bool
) -> None:
    await send(user(verification=verification))
    assert [(row["email"], row["email_verified"]) for row in await people()] == [("siti@school.test", verified)]


async def test_an_address_comes_back_under_a_new_id(send: Send, people: Any) -> None:
    await send(user("user_old"))
    assert (await send(user("user_new", event="created", at=NOW + 5000))).json() == {"status": "created"}
    assert [(row["id"], row["email_verified"]) for row in await people()] == [("user_new", True), ("user_old", False)]
    assert (await send(deleted("user_old"))).json() == {"status": "deleted"}
    assert [(row["id"], row["email"]) for row in await people()] == [
        ("user_new", "siti@school.test"),
        ("user_old", None),
    ]


async def test_a_waiting_completion_is_credited_by_the_message_that_verifies_the_address(
    send: Send, app: FastAPI, owner: Database
) -> None:
    tags = app.state.settings.kajabi.learn_tags
    await inbox.receive(app.state.database, hook("77", "siti@school.test", AI_1), tags)
    await send(user(verification="unverified"))
    async with owner.session() as session:
        assert await session.scalar(text("SELECT status FROM kajabi_events")) == "UNMATCHED"
    await send(user(at=NOW + 1000))
    async with owner.session() as session:
        assert await session.scalar(text("SELECT status FROM kajabi_events")) == "PROCESSED"


async def test_a_deletion_anonymises_and_shuts_out(
    send: Send, client: httpx.AsyncClient, bearer: Bearer, people: Any
) -> None:
    await send(user())
    assert (await send(deleted())).json() == {"status": "deleted"}
    (gone,) = await people()
    assert (gone["id"], gone["name"], gone["email"]) == ("user_siti", "", None)
    assert gone["handle"].startswith("erased-")
    answer = await client.get("/api/me", headers=bearer("user_siti", email="siti@school.test"))
    assert (answer.status_code, answer.json()["code"]) == (403, "USER_ERASED")


async def test_nothing_that_comes_after_a_deletion_brings_the_person_back(send: Send, people: Any) -> None:
    await send(user())
    await send(deleted())
    for late in (user(at=NOW + 9000), user(event="created"), deleted()):
        assert (await send(late)).json() == {"status": "ignored"}
    assert (await people())[0]["email"] is None


async def test_a_deletion_that_overtakes_the_sign_up_wins(send: Send, people: Any) -> None:
    assert (await send(deleted())).json() == {"status": "ignored"}
    assert (await send(user(event="created"))).json() == {"status": "ignored"}
    assert await people() == []


async def test_the_last_superadmin_is_shut_out_and_erased_once_there_is_another(
    send: Send, make_user: Make, people: Any, database: Database, owner: Database
) -> None:
    await make_user("SUPERADMIN", id="user_boss", name="Boss")
    assert (await send(deleted("user_boss"))).json() == {"status": "suspended"}
    (boss,) = await people()
    assert (boss["suspended_at"] is not None, boss["erased_at"], boss["name"]) == (True, None, "Boss")
    async with owner.session() as session:
        actions = list(await session.scalars(text("SELECT action FROM audit_log ORDER BY id")))
    assert actions == ["user.suspend"]
    assert await erase_due(database) == 0
    await make_user("SUPERADMIN", id="user_next")
    assert await erase_due(database) == 1
    assert [(row["id"], row["erased_at"] is not None) for row in await people()] == [
        ("user_boss", True), ("user_next", False),
    ]  # fmt: skip


async def test_somebody_suspended_stays_so_and_their_row_as_it_is(send: Send, make_user: Make, people: Any) -> None:
    await make_user(id="user_siti", suspended_at=time_of(NOW), email="before@school.test")
    assert (await send(user())).json() == {"status": "ignored"}
    assert (await people())[0]["email"] == "before@school.test"


async def test_who_is_erased_while_the_message_waits_is_left_alone(
    send: Send, make_user: Make, people: Any, owner: Database
) -> None:
    await make_user(id="user_siti", email="before@school.test")
    async with owner.session() as session:
        await session.execute(text("UPDATE users SET erased_at = now(), email = NULL WHERE id = 'user_siti'"))
        sending = asyncio.ensure_future(send(user()))
        await waits_for_a_lock(owner)
    answer = await sending
    assert (answer.status_code, answer.json()) == (200, {"status": "ignored"})
    assert (await people())[0]["email"] is None


async def test_other_events_are_answered_and_change_nothing(send: Send, people: Any) -> None:
    for event in ("session.created", "organization.deleted", "user.invented"):
        assert (await send({"type": event, "data": {"id": "user_siti"}})).json() == {"status": "ignored"}
    assert await people() == []


@pytest.mark.parametrize(
    "body",
    [
        b"?",
        b"[]",
        b'{"type": "user.created"}',
        b'{"type": "user.created", "data": {}}',
        b'{"type": "user.created", "data": {"id": "a/b"}, "timestamp": 1}',
        b'{"type": "user.created", "data": {"id": "user_1"}}',
        b'{"type": "user.updated", "data": {"id": "user_1", "updated_at": 1e300}}',
        b'{"type": 5, "data": {}}',
    ],
)
async def test_a_signed_message_that_cannot_be_read_is_answered_400_and_comes_again(
    send: Send, people: Any, body: bytes
) -> None:
    answer = await send(body, "msg_bad")
    assert (answer.status_code, answer.json()["code"]) == (400, "MALFORMED_JSON")
    assert (await send(user(), "msg_bad")).json() == {"status": "created"}


@pytest.mark.parametrize(
    "headers",
    [
        {"svix-signature": "v1,AAAA"},
        {"svix-signature": "nonsense"},
        {"svix-signature": "v1"},
        {"svix-id": "msg_other"},
        {"svix-timestamp": "1"},
        {"svix-timestamp": "soon"},
        {"svix-signature": ""},
    ],
)
async def test_what_is_not_signed_is_refused(send: Send, people: Any, headers: dict[str, str]) -> None:
    answer = await send(user(), **headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
    assert await people() == []


async def test_without_a_secret_everything_is_refused(send: Send, app: FastAPI, settings: Settings) -> None:
    clerk = settings.clerk.model_copy(update={"webhook_secrets": ()})
    app.state.settings = settings.model_copy(update={"clerk": clerk})
    assert (await send(user())).status_code == 401


async def test_bytes_are_verified_as_they_arrived(send: Send) -> None:
    body = b'{ "type":"user.updated" ,"data" : {"id":"user_siti","username":"\\u00ed","updated_at":1748736000000 } }\n'
    assert (await send(body)).json() == {"status": "created"}


@pytest.mark.parametrize("secret", ["whsec_", "whsec_short", "no prefix", "whsec_%%%%%%%%%%%%%%%%%%%%%%%%"])
def test_a_secret_that_is_none_is_refused_at_the_start(secret: str) -> None:
    with pytest.raises(ValueError, match="CLERK_WEBHOOK_SECRET"):
        ClerkSettings.model_validate({"CLERK_WEBHOOK_SECRET": secret})


def time_of(milliseconds: int) -> Any:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
