from tests.invariants.conftest import Look, Superuser


async def test_somebody_without_a_handle_is_named(look: Look, superuser: Superuser) -> None:
    assert (await look("people_have_handles")).count == 0
    await superuser(
        "ALTER TABLE users DROP CONSTRAINT users_handle",
        "INSERT INTO users (id, handle) VALUES ('ayu', '')",
    )
    assert (await look("people_have_handles")).samples == [{"user_id": "ayu"}]
