"""First sight, later sight, and the same person back under a new id, over the whole service."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs
from tests.support.racing import race
from tests.support.tokens import bearer
from tests.users.looking import audited, people

from elevate_api.kit.db import Database
from elevate_api.users.identity import Identity
from elevate_api.users.models import User

MakeUser = Callable[..., Awaitable[User]]


async def me(client: httpx.AsyncClient, user_id: str, **claims: Any) -> httpx.Response:
    return await client.get("/api/me", headers=bearer(user_id, **claims))


async def test_the_first_call_creates_the_user_from_the_claims(client: httpx.AsyncClient, owner: Database) -> None:
    answer = await me(
        client, "user_new", email="Siti@School.test", name="Siti Nurhaliza", username="siti", picture="https://i.test/1"
    )

    assert answer.status_code == 200
    body = answer.json()
    created_at = body.pop("createdAt")
    assert body == {
        "id": "user_new",
        "handle": "siti-nurhaliza",
        "name": "Siti Nurhaliza",
        "email": "Siti@School.test",
        "role": "PARTICIPANT",
        "avatarUrl": "https://i.test/1",
        "region": None,
        "school": None,
        "cohort": None,
        "showOnLeaderboard": True,
    }
    assert abs(datetime.now(UTC) - datetime.fromisoformat(created_at)) < timedelta(minutes=1)
    assert created_at.endswith("Z")
    assert (await people(owner))["user_new"].email_verified
    assert await audited(owner) == [("user_new", "user.create", "user_new", {})]


async def test_claims_may_be_missing(client: httpx.AsyncClient, owner: Database) -> None:
    body = (await me(client, "user_new")).json()

    assert (body["name"], body["email"]) == ("", None)
    assert body["handle"].startswith("educator-")
    assert not (await people(owner))["user_new"].email_verified


async def test_a_role_in_the_token_counts_for_nothing(client: httpx.AsyncClient) -> None:
    answer = await me(client, "user_new", role="SUPERADMIN", public_metadata={"role": "ADMIN"}, org_role="admin")

    assert answer.json()["role"] == "PARTICIPANT"


@pytest.mark.parametrize(("claim", "verified"), [(None, True), (True, True), (False, False)])
async def test_an_address_is_verified_unless_the_token_denies_it(
    client: httpx.AsyncClient, owner: Database, claim: bool | None, verified: bool
) -> None:
    await me(client, "user_new", email="a@b.test", email_verified=claim)

    assert (await people(owner))["user_new"].email_verified is verified


async def test_people_of_one_name_get_handles_of_their_own(client: httpx.AsyncClient) -> None:
    handles = [(await me(client, f"user_{number}", name="Budi")).json()["handle"] for number in range(12)]

    assert handles[:3] == ["budi", "budi-2", "budi-3"]
    assert len(set(handles)) == 12


async def test_two_first_calls_at_once_make_one_person(client: httpx.AsyncClient, owner: Database) -> None:
    answers = await race(*(me(client, "user_new", email="a@b.test", name="Siti") for _ in range(8)))

    assert [answer.status_code for answer in answers if isinstance(answer, httpx.Response)] == [200] * 8
    assert list(await people(owner)) == ["user_new"]
    assert [row[1] for row in await audited(owner)] == ["user.create"]


async def test_first_calls_of_namesakes_at_once_all_succeed(client: httpx.AsyncClient, owner: Database) -> None:
    answers = await race(*(me(client, f"user_{number}", name="Budi") for number in range(8)))

    assert [answer.status_code for answer in answers if isinstance(answer, httpx.Response)] == [200] * 8
    assert len({user.handle for user in (await people(owner)).values()}) == 8


async def test_first_calls_with_one_address_at_once_leave_it_with_one(
    client: httpx.AsyncClient, owner: Database
) -> None:
    answers = await race(*(me(client, f"user_{number}", email="a@b.test") for number in range(8)))

    assert [answer.status_code for answer in answers if isinstance(answer, httpx.Response)] == [200] * 8
    assert sum(user.email_verified for user in (await people(owner)).values()) == 1


async def test_a_known_person_costs_one_statement(
    client: httpx.AsyncClient, database: Database, make_user: MakeUser
) -> None:
    user = await make_user()
    statements: list[str] = []
    event.listen(
        database.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]), named=False
    )

    await me(client, user.id, email=user.email)

    assert len(statements) == 1
    assert statements[0].startswith("SELECT users")


async def test_an_erased_person_is_shut_out(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    user = await make_user(erased_at=datetime.now(UTC), email=None, email_verified=False)

    answer = await me(client, user.id, email="a@b.test")

    assert (answer.status_code, answer.json()["code"]) == (403, "USER_ERASED")


async def test_a_suspended_person_is_shut_out(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    user = await make_user(suspended_at=datetime.now(UTC))

    answer = await me(client, user.id)

    assert (answer.status_code, answer.json()["code"]) == (403, "USER_SUSPENDED")


async def test_an_erasure_that_is_only_planned_shuts_nobody_out(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    user = await make_user(erase_at=datetime.now(UTC) + timedelta(days=7))

    assert (await me(client, user.id)).status_code == 200


# --- the same address under a new id ----------------------------------------------------------------------------------


async def test_the_same_address_under_a_new_id_goes_to_the_new_one(
    client: httpx.AsyncClient, owner: Database, make_user: MakeUser
) -> None:
    old = await make_user(email="Siti@b.test")

    assert (await me(client, "user_new", email="siti@B.test")).status_code == 200

    rows = await people(owner)
    assert (rows[old.id].email_verified, rows["user_new"].email_verified) == (False, True)
    details = {"reason": "verified under another id", "userId": "user_new"}
    assert ("user_new", "user.email_unverified", old.id, details) in await audited(owner)


async def test_an_unverified_address_takes_nothing_from_anybody(
    client: httpx.AsyncClient, owner: Database, make_user: MakeUser
) -> None:
    old = await make_user(email="siti@b.test")

    await me(client, "user_new", email="siti@b.test", email_verified=False)

    rows = await people(owner)
    assert (rows[old.id].email_verified, rows["user_new"].email_verified) == (True, False)


async def test_the_address_of_an_erased_person_is_free(
    client: httpx.AsyncClient, owner: Database, make_user: MakeUser
) -> None:
    erased = await make_user(email="siti@b.test", erased_at=datetime.now(UTC))

    await me(client, "user_new", email="siti@b.test")

    assert (await people(owner))["user_new"].email_verified
    assert erased.id not in [target for _, _, target, _ in await audited(owner)]


async def test_an_older_token_does_not_take_the_address_back(
    client: httpx.AsyncClient, owner: Database, make_user: MakeUser
) -> None:
    old = await make_user(email="siti@b.test")
    older = bearer(old.id, email="siti@b.test", iat=int(time.time()) - 30)
    await me(client, "user_new", email="siti@b.test")

    assert (await client.get("/api/me", headers=older)).status_code == 200

    rows = await people(owner)
    assert (rows[old.id].email_verified, rows["user_new"].email_verified) == (False, True)


async def test_a_newer_token_takes_the_address_back(
    client: httpx.AsyncClient, owner: Database, make_user: MakeUser
) -> None:
    old = await make_user(email="siti@b.test")
    await me(client, "user_new", email="siti@b.test")

    newer = bearer(old.id, email="siti@b.test", iat=int(time.time()) + 4)
    assert (await client.get("/api/me", headers=newer)).status_code == 200

    rows = await people(owner)
    assert (rows[old.id].email_verified, rows["user_new"].email_verified) == (True, False)


async def test_two_known_people_who_claim_an_address_at_once_both_get_in(
    client: httpx.AsyncClient, owner: Database, make_user: MakeUser
) -> None:
    pair = [await make_user(), await make_user()]

    answers = await race(*(me(client, user.id, email="siti@b.test") for user in pair * 3))

    assert [answer.status_code for answer in answers if isinstance(answer, httpx.Response)] == [200] * 6
    rows = await people(owner)
    assert sorted(rows[user.id].email_verified for user in pair) == [False, True]


# --- what changes later -----------------------------------------------------------------------------------------------


async def test_a_changed_address_is_taken_over(client: httpx.AsyncClient, owner: Database, make_user: MakeUser) -> None:
    user = await make_user()

    assert (await me(client, user.id, email="new@b.test", email_verified=False)).json()["email"] == "new@b.test"
    assert not (await people(owner))[user.id].email_verified
    await me(client, user.id, email="new@b.test")
    assert (await people(owner))[user.id].email_verified
    assert [details for _, _, _, details in await audited(owner)] == [
        {"fields": ["email", "email_verified"]},
        {"fields": ["email_verified"]},
    ]


async def test_a_token_older_than_clerks_last_word_changes_nothing(
    client: httpx.AsyncClient, owner: Database, make_user: MakeUser
) -> None:
    user = await make_user(clerk_updated_at=datetime.now(UTC))

    await me(client, user.id, email="old@b.test", iat=int(time.time()) - 30)

    assert (await people(owner))[user.id].email == user.email


async def test_a_name_that_its_owner_chose_stays(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    named, nameless = await make_user(name="Bu Siti"), await make_user(name="")

    assert (await me(client, named.id, name="Siti Nurhaliza")).json()["name"] == "Bu Siti"
    assert (await me(client, nameless.id, name="Siti Nurhaliza")).json()["name"] == "Siti Nurhaliza"


# --- Clerk's API, hooks, logs -----------------------------------------------------------------------------------------


class Directory:
    """Knows everybody, and counts who asks."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def find(self, user_id: str) -> Identity:
        self.asked.append(user_id)
        return Identity(user_id, email="api@b.test", email_verified=True, name="From The API")

    async def aclose(self) -> None:
        return


async def test_what_the_token_leaves_out_is_asked_of_clerk(client: httpx.AsyncClient, app: FastAPI) -> None:
    app.state.directory = directory = Directory()

    first = (await me(client, "user_1")).json()
    second = (await me(client, "user_2", email="token@b.test")).json()
    await me(client, "user_3", email="whole@b.test", name="Whole")
    await me(client, "user_1")

    assert (first["email"], first["name"], first["handle"]) == ("api@b.test", "From The API", "from-the-api")
    assert (second["email"], second["name"]) == ("token@b.test", "From The API")
    assert directory.asked == ["user_1", "user_2"]


async def test_hooks_run_in_the_transaction_of_the_request(
    client: httpx.AsyncClient, app: FastAPI, owner: Database
) -> None:
    heard: list[tuple[str, str]] = []

    async def created(session: AsyncSession, user: User) -> None:
        user.cohort = "2025A"
        await session.flush()
        heard.append(("created", user.id))

    async def changed(_session: AsyncSession, user: User) -> None:
        heard.append(("changed", user.id))

    app.state.user_hooks.on_created.append(created)
    app.state.user_hooks.on_identity_changed.append(changed)

    await me(client, "user_1", email="a@b.test")
    await me(client, "user_1", email="a@b.test")
    await me(client, "user_1", email="b@b.test")
    await me(client, "user_1", picture="https://i.test/2")

    assert heard == [("created", "user_1"), ("changed", "user_1")]
    assert (await people(owner))["user_1"].cohort == "2025A"


async def test_a_hook_that_fails_leaves_nobody_behind(client: httpx.AsyncClient, app: FastAPI, owner: Database) -> None:
    async def fail(_session: AsyncSession, _user: User) -> None:
        raise RuntimeError

    app.state.user_hooks.on_created.append(fail)

    assert (await me(client, "user_1")).status_code == 500
    assert await people(owner) == {}


async def test_refusals_are_logged_with_their_reason_and_without_the_token(client: httpx.AsyncClient) -> None:
    headers = bearer("user_1", iss="https://evil.test")
    with capture_logs() as logs:
        answer = await client.get("/api/me", headers=headers)

    assert answer.status_code == 401
    assert [line["reason"] for line in logs if line["event"] == "sign_in_refused"] == ["another issuer"]
    assert headers["Authorization"].removeprefix("Bearer ") not in repr(logs)
