from tests.invariants.conftest import Look, Superuser


async def test_a_last_superadmin_who_is_suspended_is_a_violation(look: Look, superuser: Superuser) -> None:
    await superuser("INSERT INTO users (id, handle, role) VALUES ('ayu', 'ayu', 'SUPERADMIN')")
    assert (await look("superadmin_can_sign_in")).count == 0
    await superuser("UPDATE users SET suspended_at = now() WHERE id = 'ayu'")
    found = await look("superadmin_can_sign_in")
    assert (found.count, found.samples) == (1, [{"user_id": "ayu"}])
    await superuser("INSERT INTO users (id, handle, role) VALUES ('budi', 'budi', 'SUPERADMIN')")
    assert (await look("superadmin_can_sign_in")).count == 0
