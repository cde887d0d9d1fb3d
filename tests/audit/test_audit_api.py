from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text

from elevate_api.kit.db import Database

SignIn = Callable[..., Awaitable[Any]]
Make = Callable[..., Awaitable[Any]]


@pytest.fixture
async def trail(owner: Database) -> None:
    async with owner.session() as session:
        await session.execute(
            text("""
                INSERT INTO audit_log (actor_id, action, target_type, target_id, created_at)
                SELECT 'actor' || i % 2, 'act.' || i % 3, CASE WHEN i % 2 = 0 THEN 'user' ELSE 'submission' END,
                       'id' || i % 5, now() - (60 - i) * interval '1 minute' FROM generate_series(0, 29) i""")
        )


@pytest.mark.usefixtures("trail")
@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", lambda _: True),
        ("actor=actor1", lambda i: i % 2 == 1),
        ("action=act.2", lambda i: i % 3 == 2),
        ("target=id4", lambda i: i % 5 == 4),
        ("target=user:id4", lambda i: i % 5 == 4 and i % 2 == 0),
        ("target=submission:", lambda i: i % 2 == 1),
        ("actor=actor0&action=act.0&target=id0", lambda i: i % 30 == 0),
        ("actor=nobody", lambda _: False),
    ],
)
async def test_the_trail_is_read_by_actor_action_and_target(
    as_user: SignIn, query: str, wanted: Callable[[int], bool]
) -> None:
    admin = await as_user("ADMIN")
    found, cursor = [], ""
    while True:
        page = (await admin.get(f"/api/admin/audit?limit=7&{query}{cursor}")).json()
        found += [(item["actorId"], item["action"], item["targetId"]) for item in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    expected = [(f"actor{i % 2}", f"act.{i % 3}", f"id{i % 5}") for i in range(29, -1, -1) if wanted(i)]
    assert found == expected


async def test_an_entry_names_the_request_that_caused_it(as_user: SignIn, make_user: Make) -> None:
    admin, teacher = await as_user("ADMIN"), await make_user()
    change = await admin.patch(
        f"/api/admin/users/{teacher.id}", json={"cohort": "2025-A"}, headers={"X-Request-ID": "trace-me"}
    )
    assert change.status_code == 200
    [entry] = (await admin.get(f"/api/admin/audit?target=user:{teacher.id}")).json()["items"]
    assert (entry["actorId"], entry["action"], entry["requestId"]) == (admin.user.id, "user.update", "trace-me")
    assert entry["createdAt"].endswith("Z")
