"""Completions that come before their educator, and those that come at the same moment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from tests.kajabi.conftest import Deliver, Rows
from tests.kajabi.deliveries import AI_1, AI_2, ALL, flat, hook
from tests.support.racing import race
from tests.support.waiting import waits_for_a_lock

from elevate_api.config import Settings
from elevate_api.kajabi import inbox, service
from elevate_api.kajabi.inbox import store
from elevate_api.kajabi.rules import Status
from elevate_api.kit.db import Database
from elevate_api.users import arrival
from elevate_api.users.identity import Identity

Make = Callable[..., Awaitable[Any]]
Read = Callable[[], Awaitable[list[Any]]]
Bearer = Callable[..., dict[str, str]]
SignIn = Callable[..., Awaitable[Any]]


async def statuses(events: Read) -> list[str]:
    return [event["status"] for event in await events()]


async def test_an_unmatched_completion_is_credited_at_the_first_sign_in(
    deliver: Deliver, client: httpx.AsyncClient, bearer: Bearer, events: Read, rows: Rows
) -> None:
    assert (await deliver(hook("77", "siti@school.test", ALL))).status_code == 202
    me = await client.get("/api/me", headers=bearer("user_siti", email="Siti@school.test", name="Siti"))
    assert me.status_code == 200
    points = await client.get("/api/me/points", headers=bearer("user_siti"))
    assert points.json()["totalPoints"] == 20
    assert await statuses(events) == ["PROCESSED"]
    assert await rows("SELECT kajabi_contact_id, badge_code FROM users JOIN earned_badges ON user_id = id") == [
        {"kajabi_contact_id": "77", "badge_code": "STARTER"}
    ]


async def test_an_unverified_address_waits_until_it_is_verified(
    deliver: Deliver, client: httpx.AsyncClient, bearer: Bearer, events: Read
) -> None:
    await deliver(hook("77", "siti@school.test"))
    await client.get("/api/me", headers=bearer("user_siti", email="siti@school.test", email_verified=False))
    assert await statuses(events) == ["UNMATCHED"]
    await client.get("/api/me", headers=bearer("user_siti", email="siti@school.test", email_verified=True))
    assert await statuses(events) == ["PROCESSED"]


async def test_a_bound_contact_brings_what_waited_under_another_address(
    deliver: Deliver, make_user: Make, events: Read
) -> None:
    await deliver(hook("77", "old@school.test", AI_1))
    await make_user(email="new@school.test")
    await deliver(hook("77", "new@school.test", AI_2))
    assert await statuses(events) == ["PROCESSED", "PROCESSED"]


async def test_an_administrator_who_names_the_contact_settles_what_waits(
    deliver: Deliver, as_user: SignIn, make_user: Make, events: Read
) -> None:
    siti, admin = await make_user(email="other@school.test"), await as_user("ADMIN")
    await deliver(hook("77", "siti@school.test"))
    answer = await admin.patch(f"/api/admin/users/{siti.id}", json={"kajabiContactId": "77"})
    assert answer.status_code == 200
    assert await statuses(events) == ["PROCESSED"]


async def test_an_address_whose_contact_is_somebody_elses_does_not_get_the_completion(
    deliver: Deliver, client: httpx.AsyncClient, bearer: Bearer, owner: Database, make_user: Make, rows: Rows
) -> None:
    await deliver(hook("77", "siti@school.test"))
    holder = await make_user(email="holder@school.test")
    async with owner.session() as session:  # behind the service's back
        await session.execute(text("UPDATE users SET kajabi_contact_id = '77' WHERE id = :id"), {"id": holder.id})
    await client.get("/api/me", headers=bearer("user_siti", email="siti@school.test"))
    assert await rows("SELECT status FROM kajabi_events") == [{"status": "UNMATCHED"}]


async def test_the_job_finds_what_was_missed(
    deliver: Deliver, make_user: Make, database: Database, settings: Settings, events: Read
) -> None:
    await deliver(hook("77", "siti@school.test"))
    await deliver(hook("78", "nobody@school.test"))
    await make_user(email="siti@school.test")  # inserted by hand: no hook ran
    assert await inbox.sweep_unmatched(database, settings.kajabi.learn_tags) == 1
    assert await statuses(events) == ["PROCESSED", "UNMATCHED"]


async def test_a_broken_old_delivery_keeps_nobody_from_signing_in(
    deliver: Deliver, client: httpx.AsyncClient, bearer: Bearer, owner: Database, events: Read
) -> None:
    await deliver(hook("77", "siti@school.test"))
    async with owner.session() as session:
        await session.execute(text("ALTER TABLE points_ledger ADD CONSTRAINT broken CHECK (false) NOT VALID"))
    assert (await client.get("/api/me", headers=bearer("user_siti", email="siti@school.test"))).status_code == 200
    assert await statuses(events) == ["UNMATCHED"]


SITI = Identity("user_siti", email="siti@school.test", email_verified=True, name="Siti")


async def test_a_completion_that_arrives_while_its_educator_is_created_waits_for_them(
    app: FastAPI, database: Database, owner: Database, deliver: Deliver
) -> None:
    async with database.session() as session:
        await arrival.create(session, SITI, app.state.user_hooks)
        delivery = asyncio.create_task(deliver(hook("77", "siti@school.test")))
        await waits_for_a_lock(owner)
    assert (await delivery).json()["status"] == "PROCESSED"


async def test_an_educator_created_while_their_completion_is_judged_waits_for_it(
    app: FastAPI, database: Database, owner: Database, settings: Settings, events: Read
) -> None:
    body, tags = hook("77", "siti@school.test"), settings.kajabi.learn_tags

    async def sign_in() -> None:
        async with database.session() as session:
            await arrival.create(session, SITI, app.state.user_hooks)

    stored = await store(database, body, None, state=Status.RECEIVED)
    async with database.session() as session:
        decision = await service.process(session, await service.load(session, stored.id), tags)
        assert decision.status == "UNMATCHED"
        arriving = asyncio.create_task(sign_in())
        await waits_for_a_lock(owner)
    await arriving
    assert await statuses(events) == ["PROCESSED"]


async def test_a_contact_named_while_its_completion_is_judged_waits_for_it(
    as_user: SignIn, make_user: Make, database: Database, owner: Database, settings: Settings, events: Read
) -> None:
    siti, admin = await make_user(), await as_user("ADMIN")
    stored = await store(database, hook("77"), None, state=Status.RECEIVED)
    async with database.session() as session:
        await service.process(session, await service.load(session, stored.id), settings.kajabi.learn_tags)
        change = admin.patch(f"/api/admin/users/{siti.id}", json={"kajabiContactId": "77"})
        changing = asyncio.create_task(change)
        await waits_for_a_lock(owner)
    assert (await changing).status_code == 200
    assert await statuses(events) == ["PROCESSED"]


@pytest.mark.parametrize("attempt", range(3))
async def test_first_sign_ins_and_completions_at_once_leave_nothing_unmatched(
    deliver: Deliver, client: httpx.AsyncClient, bearer: Bearer, events: Read, rows: Rows, attempt: int
) -> None:
    """Two addresses a contact, so that a binding settles what another transaction is just judging."""
    people = range(6)
    deliveries = [
        deliver(body)
        for n in people
        for body in (hook(str(n), f"t{n}@school.test", AI_1), hook(str(n), f"other{n}@school.test", AI_2))
    ]
    arrivals = [client.get("/api/me", headers=bearer(f"user_{n}", email=f"t{n}@school.test")) for n in people]
    answers = await race(*deliveries, *arrivals)
    assert {answer.status_code for answer in answers if isinstance(answer, httpx.Response)} <= {200, 202}
    assert set(await statuses(events)) == {"PROCESSED"}
    assert await rows("SELECT DISTINCT sum(delta_points) AS points FROM points_ledger GROUP BY user_id") == [
        {"points": 20}
    ]


async def test_an_address_that_moves_to_another_person_during_a_delivery_does_not_deadlock(
    app: FastAPI, deliver: Deliver, make_user: Make, events: Read, database: Database
) -> None:
    """The former holder is locked by the newcomer, the delivery wants the address."""
    await make_user(id="user_old", email="siti@school.test")
    await deliver(hook("76", "siti@school.test", AI_2))

    async def arrive(session: AsyncSession) -> None:
        await arrival.create(session, SITI, app.state.user_hooks)

    async with database.session() as session:
        await arrive(session)
        delivery = asyncio.create_task(deliver(flat("77", "siti@school.test")))
    assert (await delivery).status_code == 200
    assert await statuses(events) == ["PROCESSED", "PROCESSED"]


@pytest.mark.parametrize(
    "leaves",
    [
        "UPDATE users SET email = 'new@school.test' WHERE id = 'user_siti'",
        "UPDATE users SET email_verified = false WHERE id = 'user_siti'",
    ],
)
async def test_who_gave_up_the_address_while_a_delivery_waited_for_them_is_not_its_person(
    deliver: Deliver, make_user: Make, owner: Database, events: Read, leaves: str
) -> None:
    await make_user(id="user_siti", email="siti@school.test")
    async with owner.session() as session:
        await session.execute(text(leaves))
        delivery = asyncio.create_task(deliver(hook("77", "siti@school.test")))
        await waits_for_a_lock(owner)
    assert (await delivery).json()["status"] == "UNMATCHED"
    assert [event["user_id"] for event in await events()] == [None]


async def test_a_contact_given_up_while_a_delivery_waited_leaves_the_address_to_decide(
    deliver: Deliver, make_user: Make, owner: Database, events: Read
) -> None:
    await make_user(id="user_old", kajabi_contact_id="77")
    await make_user(id="user_siti", email="siti@school.test")
    async with owner.session() as session:
        await session.execute(text("UPDATE users SET kajabi_contact_id = NULL WHERE id = 'user_old'"))
        delivery = asyncio.create_task(deliver(hook("77", "siti@school.test")))
        await waits_for_a_lock(owner)
    assert (await delivery).json()["status"] == "PROCESSED"
    assert [event["user_id"] for event in await events()] == ["user_siti"]
