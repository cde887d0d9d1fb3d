import pytest
from tests.invariants.conftest import Look, Superuser

from elevate_api.kit.db import Database
from elevate_api.seal import service


@pytest.mark.usefixtures("programme")
async def test_an_edited_row_and_a_broken_link_are_found(look: Look, superuser: Superuser, database: Database) -> None:
    await service.seal(database, "test", batch=5)
    assert (await look("ledger_seal_holds")).count == 0
    await superuser(
        "UPDATE points_ledger SET delta_points = delta_points + 1 "
        "WHERE id = (SELECT last_id FROM ledger_seals ORDER BY number DESC LIMIT 1)",
        "DELETE FROM ledger_seals WHERE number = 2",
    )
    found = await look("ledger_seal_holds")
    async with database.session() as session:
        newest = await service.head(session)
    assert newest is not None
    assert [sample["batch"] for sample in found.samples] == [3, newest.number]
