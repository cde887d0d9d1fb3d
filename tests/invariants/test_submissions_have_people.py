from tests.invariants.conftest import Look, Superuser


async def test_a_submission_of_nobody_is_named(look: Look, superuser: Superuser) -> None:
    assert (await look("submissions_have_people")).count == 0
    await superuser(
        "INSERT INTO submissions (user_id, activity_code, payload) VALUES ('nobody', 'SHINE', '{}')",
    )
    assert [one["user_id"] for one in (await look("submissions_have_people")).samples] == ["nobody"]
