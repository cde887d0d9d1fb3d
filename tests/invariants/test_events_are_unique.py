from tests.invariants.conftest import Look, Superuser

AWARD = """
    INSERT INTO points_ledger (user_id, activity_code, source, delta_points, external_event_id)
    VALUES ('ayu', 'SHINE', 'FORM', 1, 'kajabi:1|tag:x')
"""


async def test_an_event_awarded_twice_is_found(look: Look, superuser: Superuser) -> None:
    assert (await look("events_are_unique")).count == 0
    await superuser(
        "ALTER TABLE points_ledger DROP CONSTRAINT points_ledger_external_event_id_key",
        "INSERT INTO users (id, handle, role) VALUES ('ayu', 'ayu', 'PARTICIPANT'), ('rina', 'rina', 'REVIEWER')",
        *[AWARD] * 2,
    )
    assert (await look("events_are_unique")).samples == [{"external_event_id": "kajabi:1|tag:x", "rows": 2}]
