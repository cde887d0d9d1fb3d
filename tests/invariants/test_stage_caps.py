from tests.invariants.conftest import Look, Superuser

AWARD = """
    INSERT INTO points_ledger (user_id, activity_code, source, delta_points) VALUES ('ayu', 'LEARN', 'MANUAL', 20)
"""


async def test_more_than_the_cap_is_found(look: Look, superuser: Superuser) -> None:
    assert (await look("stage_caps")).count == 0
    await superuser(
        "INSERT INTO users (id, handle, role) VALUES ('ayu', 'ayu', 'PARTICIPANT'), ('rina', 'rina', 'REVIEWER')",
        *[AWARD] * 2,
    )
    sample = {"user_id": "ayu", "activity_code": "LEARN", "points": 40, "points_cap": 20}
    assert (await look("stage_caps")).samples == [sample]
