from tests.invariants.conftest import Look, Superuser


async def test_a_trigger_that_was_switched_off_is_found(look: Look, superuser: Superuser) -> None:
    assert (await look("ledger_is_guarded")).count == 0
    await superuser(
        "ALTER TABLE points_ledger DISABLE TRIGGER points_ledger_append_only",
    )
    assert (await look("ledger_is_guarded")).samples == [{"table_name": "points_ledger"}]
