from tests.invariants.conftest import Look, Superuser


async def test_people_without_a_superadmin_are_a_warning(look: Look, superuser: Superuser) -> None:
    assert (await look("somebody_is_superadmin")).count == 0
    await superuser(
        "INSERT INTO users (id, handle, role) VALUES ('ayu', 'ayu', 'PARTICIPANT'), ('rina', 'rina', 'REVIEWER')",
    )
    assert (await look("somebody_is_superadmin")).count == 1
