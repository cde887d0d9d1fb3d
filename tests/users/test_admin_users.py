import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession
from tests.conftest import Caller
from tests.support.racing import race
from tests.users.looking import audited, people, until_somebody_waits

from elevate_api.auth.roles import Role
from elevate_api.kit.db import Database
from elevate_api.users.models import User

AsUser = Callable[..., Awaitable[Caller]]
MakeUser = Callable[..., Awaitable[User]]
USERS = "/api/admin/users"


async def role_of(owner: Database, user_id: str) -> str:
    return (await people(owner))[user_id].role


@pytest.mark.parametrize(
    ("role", "allowed"), [("PARTICIPANT", 403), ("REVIEWER", 403), ("ADMIN", 200), ("SUPERADMIN", 200)]
)
async def test_only_administrators_look_after_people(as_user: AsUser, role: str, allowed: int) -> None:
    caller = await as_user(role)

    assert (await caller.get(USERS)).status_code == allowed
    assert (await caller.get(f"{USERS}/{caller.user.id}")).status_code == allowed
    assert (await caller.patch(f"{USERS}/{caller.user.id}", json={})).status_code == allowed


async def test_a_person_is_shown_whole(as_user: AsUser, make_user: MakeUser) -> None:
    admin = await as_user("ADMIN")
    user = await make_user(kajabi_contact_id="k1", school="SMA 1")

    body = (await admin.get(f"{USERS}/{user.id}")).json()

    assert {key: body[key] for key in ("id", "handle", "email", "emailVerified", "school", "kajabiContactId")} == {
        "id": user.id,
        "handle": user.handle,
        "email": user.email,
        "emailVerified": True,
        "school": "SMA 1",
        "kajabiContactId": "k1",
    }
    assert body["suspendedAt"] is body["eraseAt"] is body["erasedAt"] is None


@pytest.mark.parametrize("path", [f"{USERS}/nobody", f"{USERS}/{'x' * 255}"])
async def test_nobody_is_not_found(as_user: AsUser, path: str) -> None:
    admin = await as_user("ADMIN")

    for answer in (await admin.get(path), await admin.patch(path, json={"cohort": "2025A"})):
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


# --- the list ---------------------------------------------------------------------------------------------------------


async def listed(caller: Caller, **query: Any) -> list[str]:
    answer = await caller.get(USERS, params=query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def test_people_are_listed_newest_first_page_by_page(as_user: AsUser, make_user: MakeUser) -> None:
    admin = await as_user("ADMIN")
    moment = datetime(2030, 1, 1, tzinfo=UTC)  # later than the administrator
    made = [(await make_user(created_at=moment + timedelta(days=number // 2))).id for number in range(7)]
    expected = [made[6], *sorted(made[4:6])[::-1], *sorted(made[2:4])[::-1], *sorted(made[0:2])[::-1], admin.user.id]

    seen, url = [], f"{USERS}?limit=3"
    for _ in range(3):
        answer = await admin.get(url)
        seen += [item["id"] for item in answer.json()["items"]]
        if answer.json()["nextCursor"] is None:
            assert "Link" not in answer.headers
            break
        url = answer.links["next"]["url"]

    assert seen == expected


async def test_search_finds_any_part_of_name_handle_or_address(as_user: AsUser, make_user: MakeUser) -> None:
    admin = await as_user("ADMIN", name="Boss", handle="boss", email="boss@x.test")
    siti = await make_user(name="Siti Nurhaliza", handle="bu-siti", email="sn@sekolah.test")
    await make_user(name="Budi", handle="budi", email="budi@x.test")

    for search in ("NURHALIZA", "bu-s", "SN@sekolah", " siti "):
        assert await listed(admin, search=search) == [siti.id]
    assert len(await listed(admin, search="")) == 3
    assert await listed(admin, search="nobody") == []


@pytest.mark.parametrize("search", ["%", "_", "\\", "'", "/"])
async def test_search_takes_wildcards_literally(as_user: AsUser, make_user: MakeUser, search: str) -> None:
    admin = await as_user("ADMIN")
    odd = await make_user(name=f"a{search}b")
    await make_user(name="aXb")

    assert await listed(admin, search=f"a{search}b") == [odd.id]


async def test_filters_narrow_the_list(as_user: AsUser, make_user: MakeUser) -> None:
    admin = await as_user("ADMIN")
    reviewer = await make_user("REVIEWER", cohort="2025A", school="SMA 1")
    other = await make_user(cohort="2025A", school="SMA 2")

    assert await listed(admin, role="REVIEWER") == [reviewer.id]
    assert set(await listed(admin, cohort="2025A")) == {reviewer.id, other.id}
    assert await listed(admin, cohort="2025A", school="SMA 2") == [other.id]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"role": "BOSS"}, "query/role"),
        ({"limit": "0"}, "query/limit"),
        ({"limit": "101"}, "query/limit"),
        ({"cursor": "nonsense"}, "query/cursor"),
        ({"search": "x" * 201}, "query/search"),
    ],
)
async def test_faults_of_the_query_are_named(as_user: AsUser, query: dict[str, str], pointer: str) -> None:
    answer = await (await as_user("ADMIN")).get(USERS, params=query)

    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


# --- changes ----------------------------------------------------------------------------------------------------------


async def test_an_administrator_sets_cohort_school_and_contact(
    as_user: AsUser, make_user: MakeUser, app: FastAPI, owner: Database
) -> None:
    heard: list[tuple[str, str | None]] = []

    async def changed(_session: AsyncSession, user: User) -> None:
        heard.append((user.id, user.kajabi_contact_id))

    app.state.user_hooks.on_identity_changed.append(changed)
    admin, user = await as_user("ADMIN"), await make_user()
    path = f"{USERS}/{user.id}"

    body = (await admin.patch(path, json={"cohort": "2025A", "school": "SMA 1", "kajabiContactId": " k1 "})).json()
    assert (body["cohort"], body["school"], body["kajabiContactId"]) == ("2025A", "SMA 1", "k1")
    assert datetime.fromisoformat(body["updatedAt"]) > user.updated_at
    await admin.patch(path, json={"cohort": "2025A"})
    body = (await admin.patch(path, json={"cohort": None})).json()
    assert (body["cohort"], body["school"]) == (None, "SMA 1")
    assert (await admin.get(path)).json() == body

    assert heard == [(user.id, "k1")]
    assert await audited(owner) == [
        (admin.user.id, "user.update", user.id, {"fields": ["cohort", "kajabiContactId", "school"]}),
        (admin.user.id, "user.update", user.id, {"fields": ["cohort"]}),
    ]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"role": None}, "/role"),
        ({"role": "BOSS"}, "/role"),
        ({"name": "Siti"}, "/name"),
        ({"kajabiContactId": ""}, "/kajabiContactId"),
        ({"kajabiContactId": 5}, "/kajabiContactId"),
        ({"cohort": "x" * 201}, "/cohort"),
    ],
)
async def test_faults_of_a_change_are_named(
    as_user: AsUser, make_user: MakeUser, change: dict[str, Any], pointer: str
) -> None:
    admin, user = await as_user("ADMIN"), await make_user()

    answer = await admin.patch(f"{USERS}/{user.id}", json=change)

    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_a_contact_belongs_to_one_person(as_user: AsUser, make_user: MakeUser) -> None:
    admin = await as_user("ADMIN")
    await make_user(kajabi_contact_id="k1")
    user = await make_user()

    answer = await admin.patch(f"{USERS}/{user.id}", json={"kajabiContactId": "k1", "cohort": "2025A"})

    assert (answer.status_code, answer.json()["code"]) == (409, "KAJABI_CONTACT_TAKEN")
    assert (await admin.get(f"{USERS}/{user.id}")).json()["cohort"] is None


async def test_nothing_is_written_into_an_erased_person(as_user: AsUser, make_user: MakeUser) -> None:
    admin, erased = await as_user("ADMIN"), await make_user(erased_at=datetime.now(UTC))

    answer = await admin.patch(f"{USERS}/{erased.id}", json={"cohort": "2025A"})

    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")


# --- roles ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("own", "before", "after"), list(product((Role.ADMIN, Role.SUPERADMIN), Role, Role)))
async def test_roles_change_by_the_rules(
    as_user: AsUser, make_user: MakeUser, owner: Database, own: Role, before: Role, after: Role
) -> None:
    admin, user = await as_user(own), await make_user(before)
    below_admin = {Role.PARTICIPANT, Role.REVIEWER}
    allowed = before == after or own is Role.SUPERADMIN or {before, after} <= below_admin

    answer = await admin.patch(f"{USERS}/{user.id}", json={"role": after})

    assert answer.status_code == (200 if allowed else 403)
    assert await role_of(owner, user.id) == (after if allowed else before)
    change = (admin.user.id, "user.role", user.id, {"before": before, "after": after})
    assert await audited(owner) == ([change] if allowed and before != after else [])


@pytest.mark.parametrize("own", [Role.ADMIN, Role.SUPERADMIN])
async def test_nobody_changes_their_own_role(as_user: AsUser, make_user: MakeUser, owner: Database, own: Role) -> None:
    await make_user("SUPERADMIN")
    admin = await as_user(own)

    for role in set(Role) - {own}:
        answer = await admin.patch(f"{USERS}/{admin.user.id}", json={"role": role, "cohort": "2025A"})
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert await role_of(owner, admin.user.id) == own
    assert (await admin.patch(f"{USERS}/{admin.user.id}", json={"role": own, "cohort": "2025A"})).status_code == 200


async def test_two_demotions_of_the_last_two_superadmins_leave_one(as_user: AsUser, owner: Database) -> None:
    first, second = await as_user("SUPERADMIN"), await as_user("SUPERADMIN")

    answers = await race(
        first.patch(f"{USERS}/{second.user.id}", json={"role": "ADMIN"}),
        second.patch(f"{USERS}/{first.user.id}", json={"role": "ADMIN"}),
    )

    refused = [answer for answer in answers if isinstance(answer, httpx.Response) and answer.status_code != 200]
    roles = [await role_of(owner, caller.user.id) for caller in (first, second)]
    assert sorted(roles) == ["ADMIN", "SUPERADMIN"]
    assert len(refused) == 1
    # Both were let in as SUPERADMIN, or the loser arrived when the demotion was committed.
    assert refused[0].json()["code"] == "FORBIDDEN"


@pytest.mark.parametrize(
    ("change", "code"), [({"role": "ADMIN"}, "FORBIDDEN"), ({"suspended_at": datetime.now(UTC)}, "USER_SUSPENDED")]
)
async def test_a_role_is_judged_by_what_the_caller_is_by_then(
    as_user: AsUser, owner: Database, make_user: MakeUser, change: dict[str, Any], code: str
) -> None:
    """The guard read the caller's row before somebody else's transaction changed it: of three SUPERADMINs, two demote
    each other at once, and one order of the two leaves two.
    """
    caller, other = await as_user("SUPERADMIN"), await make_user("SUPERADMIN")
    await make_user("SUPERADMIN")
    async with owner.session() as session:
        row = await session.get_one(User, caller.user.id)
        for name, value in change.items():
            setattr(row, name, value)
        await session.flush()
        demoting = asyncio.create_task(caller.patch(f"{USERS}/{other.id}", json={"role": "ADMIN"}))
        await until_somebody_waits(owner)
    answer = await demoting

    assert (answer.status_code, answer.json()["code"]) == (403, code)
    assert await role_of(owner, other.id) == "SUPERADMIN"
