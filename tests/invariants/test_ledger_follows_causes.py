import pytest
from tests.invariants.conftest import Look, Superuser


@pytest.mark.usefixtures("programme")
async def test_a_believable_programme_agrees_until_a_row_is_gone(look: Look, superuser: Superuser) -> None:
    names = ("ledger_follows_causes", "badges_follow_awards", "views_follow_ledger", "stage_caps", "amplify_quota")
    assert {name: (await look(name)).count for name in names} == dict.fromkeys(names, 0)
    await superuser("DELETE FROM points_ledger WHERE id IN (SELECT id FROM points_ledger ORDER BY id LIMIT 3)")
    found = await look("ledger_follows_causes")
    assert (found.count, {one["kind"] for one in found.samples}) == (3, {"missing"})
