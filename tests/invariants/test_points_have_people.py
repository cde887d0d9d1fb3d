from tests.invariants.conftest import Look, Superuser


async def test_points_of_nobody_are_named(look: Look, superuser: Superuser) -> None:
    assert (await look("points_have_people")).count == 0
    await superuser(
        "INSERT INTO points_ledger (user_id, activity_code, source, delta_points)"
        " VALUES ('nobody', 'SHINE', 'FORM', 1)",
    )
    assert [one["user_id"] for one in (await look("points_have_people")).samples] == ["nobody"]
