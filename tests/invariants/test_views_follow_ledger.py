from tests.invariants.conftest import Look, Superuser

from elevate_api.analytics import service
from elevate_api.analytics.queries import VIEWS
from elevate_api.kit.db import Database


async def test_a_view_that_is_gone_or_was_never_refreshed(look: Look, superuser: Superuser, database: Database) -> None:
    assert {one["subject"]: one["kind"] for one in (await look("views_follow_ledger")).samples} == dict.fromkeys(
        VIEWS, "never refreshed"
    )
    await service.refresh(database, "test")
    assert (await look("views_follow_ledger")).count == 0
    await superuser("DROP MATERIALIZED VIEW school_metrics")
    assert (await look("views_follow_ledger")).samples == [{"kind": "missing", "subject": "school_metrics"}]
