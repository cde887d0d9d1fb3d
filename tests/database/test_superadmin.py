"""The last SUPERADMIN cannot be demoted or erased (shared/domain.md)."""

import asyncpg
import pytest
from tests.support.sql import Connection, add_person, refused

LAST = "users_last_superadmin"


@pytest.fixture
async def boss(operator: Connection) -> str:
    return await add_person(operator, "boss", "SUPERADMIN")


@pytest.mark.parametrize("change", ["role = 'ADMIN'", "role = 'PARTICIPANT'", "erased_at = now()"])
async def test_the_last_one_stays(change: str, boss: str, anybody: Connection) -> None:
    with refused(LAST):
        await anybody.execute(f"UPDATE users SET {change} WHERE id = $1", boss)


async def test_the_last_one_is_not_deleted(boss: str, operator: Connection) -> None:
    with refused(LAST):
        await operator.execute("DELETE FROM users WHERE id = $1", boss)


async def test_one_of_two_may_go(boss: str, anybody: Connection) -> None:
    await add_person(anybody, "other", "SUPERADMIN")
    await anybody.execute("UPDATE users SET role = 'ADMIN' WHERE id = $1", boss)
    with refused(LAST):
        await anybody.execute("UPDATE users SET role = 'ADMIN' WHERE id = 'other'")


@pytest.mark.parametrize("gone", ["erased_at", "suspended_at"])
async def test_one_who_cannot_sign_in_does_not_count(gone: str, boss: str, anybody: Connection) -> None:
    await add_person(anybody, "other", "SUPERADMIN")
    await anybody.execute(f"UPDATE users SET {gone} = now() WHERE id = 'other'")
    with refused(LAST):
        await anybody.execute("UPDATE users SET role = 'ADMIN' WHERE id = $1", boss)


async def test_all_of_them_in_one_statement_are_refused(boss: str, anybody: Connection) -> None:
    await add_person(anybody, "other", "SUPERADMIN")
    with refused(LAST):
        await anybody.execute("UPDATE users SET role = 'ADMIN' WHERE role = 'SUPERADMIN'")
    assert await anybody.fetchval("SELECT count(*) FROM users WHERE role = 'SUPERADMIN'") == 2


async def test_the_last_one_may_change_everything_else(boss: str, anybody: Connection) -> None:
    await anybody.execute("UPDATE users SET name = 'Ibu', suspended_at = now() WHERE id = $1", boss)
    assert await anybody.fetchval("SELECT name FROM users") == "Ibu"


@pytest.mark.parametrize("handle", ["ab", "a" * 31, "Ayu", "a b c", "ayu!", "", "ayu\n", "ñandu"])
async def test_a_handle_is_3_to_30_of_a_few_characters(handle: str, anybody: Connection) -> None:
    with refused("users_handle"):
        await anybody.execute("INSERT INTO users (id, handle) VALUES ('x', $1)", handle)


async def test_a_verified_address_belongs_to_one_living_person(anybody: Connection) -> None:
    insert = "INSERT INTO users (id, handle, email, email_verified, erased_at) VALUES ($1, 'h-' || $1, $2, $3, $4)"
    await anybody.execute(insert, "a", "Ayu@School.test", True, None)
    await anybody.execute(insert, "b", "ayu@school.test", False, None)
    with refused("users_verified_email_key"):
        await anybody.execute(insert, "c", "AYU@school.test", True, None)
    await anybody.execute("UPDATE users SET erased_at = now() WHERE id = 'a'")
    await anybody.execute("UPDATE users SET email_verified = true WHERE id = 'b'")


async def test_a_role_is_one_of_four(anybody: Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await add_person(anybody, "x", "OWNER")
