"""Finding people among millions: the same answers with the trigram index and without."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from tests.support.cluster import OWNER, SUPERUSER, Administrator, Cluster, migrate

from elevate_api.kit.db import Database
from elevate_api.users.repository import UserFilter, UserRepository

SignIn = Callable[..., Awaitable[Any]]
Make = Callable[..., Awaitable[Any]]


@pytest.fixture
async def people(make_user: Make) -> None:
    for number, (name, handle, email) in enumerate(
        [
            ("Siti Rahma", "siti-r", "siti@smp1.test"),
            ("Budi Santoso", "budi_s", None),
            ("Dewi 100%", "dewi", "dewi.siti@smp2.test"),
            ("Wayan É. Kusuma", "wayan", "w@x.test"),
        ]
    ):
        await make_user(id=f"p{number}", name=name, handle=handle, email=email)


CASES = [
    ("siti", ["p2", "p0"]),
    ("SITI R", ["p0"]),
    ("smp2", ["p2"]),
    ("udi_", ["p1"]),
    ("udix", []),
    ("0%", []),
    ("100%", ["p2"]),
    ("w@", ["p3"]),
    ("s", ["p1", "p0"]),
    ("ra", ["p0"]),
    ("é. k", ["p3"]),
    ("\\", []),
]


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("index", [True, False])
async def test_people_are_found_by_any_part(as_user: SignIn, owner: Database, index: bool) -> None:
    if not index:
        async with owner.session() as session:
            await session.execute(text("DROP INDEX users_search_idx"))
    admin = await as_user("ADMIN", id="admin", name="Zz", handle="zz-admin", email="q@q.test")
    for search, expected in CASES:
        found = (await admin.get("/api/admin/users", params={"search": search})).json()["items"]
        assert [user["id"] for user in found] == expected, search


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("search", ["siti", "si", "zq"])
async def test_a_search_can_use_the_trigrams(database: Database, search: str) -> None:
    plans: list[str] = []
    async with database.session() as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        await session.execute(text("SET LOCAL enable_indexscan = off"))
        original = session.scalars

        async def explained(statement: Any) -> Any:
            bare = statement.compile(compile_kwargs={"literal_binds": True})
            plans.extend((await session.execute(text(f"EXPLAIN {bare}".replace(":", r"\:")))).scalars())
            return await original(statement)

        session.scalars = explained  # type: ignore[method-assign, assignment]
        await UserRepository(session).page(UserFilter(search=search), None, 20)
    assert "users_search_idx" in "\n".join(plans)


async def test_migrating_without_the_right_to_trigrams_still_works(
    blank_database: str, administrator: Administrator, cluster: Cluster
) -> None:
    administrator.execute(f"ALTER DATABASE {blank_database} OWNER TO {SUPERUSER}")
    superuser = await asyncpg.connect(cluster.dsn(blank_database, SUPERUSER))
    await superuser.execute(f"GRANT CREATE, USAGE ON SCHEMA public TO {OWNER}")
    migrate(cluster.address(blank_database))
    assert await superuser.fetchval("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'") == 0
    assert await superuser.fetchval("SELECT to_regclass('users_search_idx') IS NULL")
    assert await superuser.fetchval("SELECT to_regclass('attachment_removals') IS NOT NULL")
    await superuser.close()
