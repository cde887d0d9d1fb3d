"""`SET LOCAL elevate.restore = 'on'` brings rows back as they were; it counts for the owner, whoever sets it."""

from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from tests.support.sql import Connection, change, edit, refused, restoring, submit

PAST = datetime(2024, 5, 1, tzinfo=UTC)
DECIDED: dict[str, Any] = {
    "status": "APPROVED",
    "version": 4,
    "reviewer_id": "rina",
    "reviewed_at": PAST,
    "points_awarded": 50,
    "created_at": PAST,
    "updated_at": PAST,
}


async def test_the_owner_brings_rows_back_as_they_were(operator: Connection, person: str, reviewer: str) -> None:
    async with restoring(operator):
        await submit(operator, person, **DECIDED)
    row = await operator.fetchrow("SELECT * FROM submissions")
    assert {column: row[column] for column in DECIDED} == DECIDED


async def test_the_owner_may_correct_what_is_frozen(operator: Connection, person: str, reviewer: str) -> None:
    submission = await submit(operator, person)
    async with restoring(operator):
        await change(operator, submission, **DECIDED)
        await edit(operator, submission, school="SMA 2")
        await change(operator, submission, status="PENDING", points_awarded=None)
    assert await operator.fetchval("SELECT version FROM submissions") == 4


async def test_neither_limit_nor_quota_holds_a_restore_up(operator: Connection, person: str) -> None:
    async with restoring(operator):
        for _ in range(12):
            await submit(operator, person, "AMPLIFY", payload={"peersTrained": 50})
    assert await operator.fetchval("SELECT sum(peers_trained) FROM submissions") == 600


async def test_what_every_row_must_be_holds_for_a_restore_too(operator: Connection, person: str) -> None:
    with refused("submissions_decision_has_reviewer"):
        async with restoring(operator):
            await submit(operator, person, status="APPROVED")


@pytest.mark.parametrize("value", ["off", "", "true", "1", "ON"])
async def test_only_on_is_on(value: str, operator: Connection, person: str, reviewer: str) -> None:
    await operator.execute(f"SET elevate.restore = '{value}'")
    with refused("submissions_starts_pending"):
        await submit(operator, person, **DECIDED)


async def test_the_switch_ends_with_its_transaction(operator: Connection, person: str, reviewer: str) -> None:
    async with restoring(operator):
        await submit(operator, person)
    with refused("submissions_starts_pending"):
        await submit(operator, person, **DECIDED)


class TestTheServiceCannotUseIt:
    async def test_by_setting_it(self, service: Connection, person: str, reviewer: str) -> None:
        for scope in ("", "LOCAL", "SESSION"):
            with refused("submissions_starts_pending"):
                async with service.transaction():
                    await service.execute(f"SET {scope} elevate.restore = 'on'")
                    await submit(service, person, **DECIDED)
        await service.execute("SET elevate.restore = 'on'")
        submission = await submit(service, person)
        with refused("submissions_workflow"):
            await change(service, submission, status="REVOKED")

    async def test_by_becoming_the_owner(self, service: Connection) -> None:
        for statement in ("SET ROLE elevate", "SET SESSION AUTHORIZATION elevate", "SET ROLE postgres"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await service.execute(statement)

    async def test_by_a_function_of_its_own_that_runs_as_its_maker(
        self, service: Connection, person: str, reviewer: str
    ) -> None:
        await service.execute(
            """CREATE FUNCTION pg_temp.sneak() RETURNS void LANGUAGE sql SECURITY DEFINER
               AS $$ SELECT set_config('elevate.restore', 'on', true);
                     INSERT INTO public.submissions (user_id, activity_code, payload, status, reviewer_id)
                     VALUES ('ayu', 'SHINE', '{}', 'APPROVED', 'rina') $$"""
        )
        with refused("submissions_starts_pending"):
            await service.execute("SELECT pg_temp.sneak()")

    async def test_by_the_functions_that_run_as_the_owner(
        self, service: Connection, person: str, reviewer: str
    ) -> None:
        """They refresh, and nothing that they run is in the caller's hands: names in pg_temp come last."""
        await service.execute("SET elevate.restore = 'on'")
        await service.execute("CREATE TEMP TABLE analytics_refreshes (LIKE public.analytics_refreshes)")
        await service.execute(
            """CREATE FUNCTION pg_temp.sneak() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO public.submissions (user_id, activity_code, payload, status, reviewer_id)
                 VALUES ('ayu', 'SHINE', '{}', 'APPROVED', 'rina'); RETURN NEW; END $$"""
        )
        await service.execute(
            "CREATE TRIGGER sneak BEFORE INSERT ON pg_temp.analytics_refreshes"
            " FOR EACH ROW EXECUTE FUNCTION pg_temp.sneak()"
        )
        await service.execute("SELECT refresh_all_analytics()")
        assert await service.fetchval("SELECT count(*) FROM public.submissions") == 0
        assert await service.fetchval("SELECT count(*) FROM pg_temp.analytics_refreshes") == 0

    async def test_by_tables_that_hide_ours(self, service: Connection, person: str) -> None:
        """Rules name their tables with the schema, so a temporary settings table lifts no limit."""
        await service.execute("CREATE TEMP TABLE app_settings AS SELECT * FROM public.app_settings")
        await service.execute("UPDATE app_settings SET value = '1000'")
        await service.execute("CREATE TEMP TABLE users AS SELECT * FROM public.users")
        await service.execute("CREATE TEMP TABLE submissions (LIKE public.submissions)")
        insert = """INSERT INTO public.submissions (user_id, activity_code, payload)
                    VALUES ($1, 'AMPLIFY', '{"peersTrained": 50, "studentsTrained": 1}')"""
        await service.execute(insert, person)
        with refused("submissions_amplify_quota"):
            await service.execute(insert, person)
