from tests.invariants.conftest import Look, Superuser
from tests.support.factories import Factory

from elevate_api.analytics import totals
from elevate_api.kit.db import Database


async def test_a_total_that_is_wrong_is_found_and_what_was_not_folded_yet_is_not(
    database: Database, factory: Factory, superuser: Superuser, look: Look
) -> None:
    person = await factory.user()
    await factory.entry(person, 20, "LEARN")
    await totals.fold(database)
    await factory.entry(person, 1, "LEARN")
    assert (await look("totals_follow_ledger")).count == 0
    await superuser("UPDATE user_totals_rows SET total_points = 21, learn_points = 1")
    found = {sample["subject"] for sample in (await look("totals_follow_ledger")).samples}
    assert found == {"user_totals", "score_histogram", "stage_totals"}
