from tests.invariants.conftest import Look, Superuser


async def test_two_active_learn_submissions_are_found(look: Look, superuser: Superuser) -> None:
    assert (await look("one_active_learn")).count == 0
    await superuser(
        "DROP INDEX submissions_one_active_learn",
        "INSERT INTO users (id, handle, role) VALUES ('ayu', 'ayu', 'PARTICIPANT')",
        *["INSERT INTO submissions (user_id, activity_code, payload) VALUES ('ayu', 'LEARN', '{}')"] * 2,
    )
    assert (await look("one_active_learn")).samples == [{"user_id": "ayu", "active": 2}]
