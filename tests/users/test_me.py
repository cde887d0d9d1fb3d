import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from tests.conftest import Caller
from tests.support.racing import race
from tests.users.looking import audited, until_somebody_waits

from elevate_api.kit.db import Database
from elevate_api.users.models import User
from elevate_api.users.repository import UserRepository

AsUser = Callable[..., Awaitable[Caller]]


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_nobody_is_not_let_in(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, "/api/me", json={})

    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")


async def test_owners_change_what_is_theirs(as_user: AsUser, owner: Database) -> None:
    caller = await as_user()
    change = {
        "handle": "bu_siti-1",
        "name": " Bu Siti ",
        "region": "Jawa Barat",
        "school": "SMA Negeri 1 Bandung",
        "cohort": "2025A",
        "showOnLeaderboard": False,
    }

    answer = await caller.patch("/api/me", json=change)

    assert answer.status_code == 200
    assert {key: answer.json()[key] for key in change} == {**change, "name": "Bu Siti"}
    assert (await caller.get("/api/me")).json() == answer.json()
    fields = ["cohort", "handle", "name", "region", "school", "showOnLeaderboard"]
    assert await audited(owner) == [(caller.user.id, "user.update", caller.user.id, {"fields": fields})]


async def test_null_clears_and_absence_keeps(as_user: AsUser, owner: Database) -> None:
    caller = await as_user(region="Jawa Barat", school="SMA 1", cohort="2025A")

    body = (await caller.patch("/api/me", json={"school": None, "cohort": None, "region": "Bali"})).json()
    assert (body["region"], body["school"], body["cohort"], body["name"]) == ("Bali", None, None, caller.user.name)

    for unchanged in ({}, {"region": "Bali"}):
        assert (await caller.patch("/api/me", json=unchanged)).json() == body
    assert len(await audited(owner)) == 1


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"handle": None}, "/handle"),
        ({"handle": ""}, "/handle"),
        ({"handle": "ab"}, "/handle"),
        ({"handle": "a" * 31}, "/handle"),
        ({"handle": "Siti"}, "/handle"),
        ({"handle": "siti nur"}, "/handle"),
        ({"handle": "siti\n"}, "/handle"),
        ({"name": None}, "/name"),
        ({"name": "  "}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": "a\x00b"}, "/name"),
        ({"region": ""}, "/region"),
        ({"school": "x" * 201}, "/school"),
        ({"cohort": 7}, "/cohort"),
        ({"showOnLeaderboard": None}, "/showOnLeaderboard"),
        ({"showOnLeaderboard": "yes"}, "/showOnLeaderboard"),
        ({"role": "ADMIN"}, "/role"),
        ({"email": "a@b.test"}, "/email"),
        ({"id": "user_2"}, "/id"),
        ({"show_on_leaderboard_": True}, "/show_on_leaderboard_"),
    ],
)
async def test_faults_are_named_and_nothing_is_changed(as_user: AsUser, change: dict[str, Any], pointer: str) -> None:
    caller = await as_user()
    before = (await caller.get("/api/me")).json()

    answer = await caller.patch("/api/me", json={"region": "Bali", **change})

    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_FAILED")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert (await caller.get("/api/me")).json() == before


@pytest.mark.parametrize("handle", ["admin", "api", "_me_", "_admin_"])
async def test_reserved_handles_are_taken(as_user: AsUser, handle: str) -> None:
    answer = await (await as_user()).patch("/api/me", json={"handle": handle})

    assert (answer.status_code, answer.json()["code"]) == (409, "HANDLE_TAKEN")


async def test_a_seeded_reserved_handle_can_be_kept(as_user: AsUser) -> None:
    caller = await as_user(handle="admin")

    assert (await caller.patch("/api/me", json={"handle": "admin", "name": "Root"})).status_code == 200


async def test_a_handle_of_somebody_else_is_taken(as_user: AsUser) -> None:
    first, second = await as_user(), await as_user()

    answer = await second.patch("/api/me", json={"handle": first.user.handle, "name": "Other"})

    assert (answer.status_code, answer.json()["code"]) == (409, "HANDLE_TAKEN")
    assert (await second.get("/api/me")).json()["name"] == second.user.name


async def test_of_two_who_want_a_handle_one_gets_it(as_user: AsUser) -> None:
    callers = [await as_user() for _ in range(5)]

    answers = await race(*(caller.patch("/api/me", json={"handle": "the-one"}) for caller in callers))

    codes = sorted(answer.status_code for answer in answers if isinstance(answer, httpx.Response))
    assert codes == [200, 409, 409, 409, 409]


async def test_a_change_waits_for_whoever_erases_the_person_and_is_then_refused(
    as_user: AsUser, owner: Database
) -> None:
    """The row was read before the erasure committed; nothing may be written into it afterwards."""
    caller = await as_user()
    async with owner.session() as session:
        user = (await UserRepository(session).lock(caller.user.id))[caller.user.id]
        user.name, user.erased_at = "", user.created_at
        await session.flush()
        patching = asyncio.create_task(caller.patch("/api/me", json={"name": "Still here"}))
        await until_somebody_waits(owner)
    answer = await patching

    assert (answer.status_code, answer.json()["code"]) == (403, "USER_ERASED")
    async with owner.session() as session:
        assert (await session.get_one(User, caller.user.id)).name == ""


async def test_what_belongs_to_a_caller_is_not_stored_by_caches(as_user: AsUser) -> None:
    answer = await (await as_user()).get("/api/me")

    assert answer.headers["Cache-Control"] == "private, no-store"
