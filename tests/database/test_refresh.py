"""refresh_all_analytics(): beside readers, each view for itself, every outcome recorded."""

import asyncpg
import pytest
from tests.database.conftest import Connect
from tests.support.racing import race
from tests.support.sql import Connection, award, submit

VIEWS = (
    "leaderboard_totals",
    "leaderboard_30d",
    "activity_metrics",
    "cohort_metrics",
    "school_metrics",
    "time_series_metrics",
)
REFRESH = "SELECT * FROM refresh_all_analytics()"


async def broken(connection: Connection) -> dict[str, str]:
    """Refresh; the views that failed and the SQLSTATE of each."""
    results = await connection.fetch(REFRESH)
    assert [row["view"] for row in results] == list(VIEWS)
    return {row["view"]: row["error"].split()[0] for row in results if not row["ok"]}


async def test_the_six_views_have_a_unique_index_on_plain_columns(operator: Connection) -> None:
    """What REFRESH ... CONCURRENTLY asks for."""
    found = await operator.fetch(
        "SELECT m.matviewname FROM pg_matviews m WHERE EXISTS ("
        " SELECT FROM pg_index i WHERE i.indrelid = m.matviewname::text::regclass AND i.indisunique"
        " AND i.indexprs IS NULL AND i.indpred IS NULL) AND ispopulated AND m.schemaname = 'public'"
    )
    assert {row[0] for row in found} == set(VIEWS)


async def test_every_refresh_leaves_a_record(service: Connection, person: str) -> None:
    await award(service, person, 20)
    assert await broken(service) == {}
    records = await service.fetch("SELECT * FROM analytics_refreshes ORDER BY started_at")
    assert [record["view_name"] for record in records] == list(VIEWS)
    assert all(record["ok"] and record["error"] is None and record["triggered_by"] == "sql" for record in records)
    assert all(record["started_at"] <= record["finished_at"] for record in records)
    assert [record["row_count"] for record in records] == [1, 1, 5, 1, 1, 450]


async def test_a_missing_view_is_reported_and_the_others_are_refreshed(
    service: Connection, operator: Connection, person: str
) -> None:
    await operator.execute("DROP MATERIALIZED VIEW leaderboard_totals")
    await award(service, person, 20)
    assert await broken(service) == {"leaderboard_totals": "42P01"}
    assert await service.fetchval("SELECT total_points FROM leaderboard_30d") == 20
    record = await service.fetchrow("SELECT ok, row_count, error FROM analytics_refreshes WHERE NOT ok")
    assert record["row_count"] is None
    assert "leaderboard_totals" in record["error"]


async def test_a_view_that_fails_is_reported_and_keeps_its_rows(
    service: Connection, operator: Connection, person: str
) -> None:
    assert await broken(service) == {}
    await operator.execute("UPDATE app_settings SET value = '\"Mars/Olympus\"' WHERE key = 'program_timezone'")
    await award(service, person, 20)
    assert await broken(service) == {"time_series_metrics": "22023"}
    assert await service.fetchval("SELECT count(*) FROM time_series_metrics") > 0
    assert await service.fetchval("SELECT total_points FROM school_metrics") == 20


async def test_a_view_without_its_unique_index_is_reported(service: Connection, operator: Connection) -> None:
    await operator.execute("DROP INDEX cohort_metrics_cohort_key")
    assert await broken(service) == {"cohort_metrics": "55000"}


async def test_all_views_broken_is_still_an_answer(service: Connection, operator: Connection) -> None:
    for view in VIEWS:
        await operator.execute(f"DROP MATERIALIZED VIEW {view}")
    assert await broken(service) == dict.fromkeys(VIEWS, "42P01")


async def test_a_view_that_was_never_filled_is_filled(service: Connection, operator: Connection) -> None:
    await operator.execute("REFRESH MATERIALIZED VIEW activity_metrics WITH NO DATA")
    assert await broken(service) == {}
    assert await service.fetchval("SELECT count(*) FROM activity_metrics") == 5


async def test_readers_go_on_while_a_refresh_is_under_way(connect: Connect, service: Connection, person: str) -> None:
    assert await broken(service) == {}
    await award(service, person, 20)
    reader = await connect()
    await reader.execute("SET statement_timeout = '5s'")
    async with service.transaction():
        assert await broken(service) == {}
        for view in VIEWS:
            await reader.fetch(f"SELECT * FROM {view}")
        assert await reader.fetchval("SELECT count(*) FROM leaderboard_totals") == 0
    assert await reader.fetchval("SELECT count(*) FROM leaderboard_totals") == 1


async def test_two_refreshes_at_once_both_succeed(connect: Connect, person: str) -> None:
    lanes = [await connect() for _ in range(3)]
    await award(lanes[0], person, 20)
    assert await race(*(broken(lane) for lane in lanes)) == [{}] * 3
    assert await lanes[0].fetchval("SELECT count(*) FROM analytics_refreshes WHERE ok") == 18


async def test_a_cancelled_refresh_is_raised_and_not_recorded_as_a_failure(
    service: Connection, operator: Connection
) -> None:
    async with operator.transaction():
        await operator.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        await service.execute("SET statement_timeout = '200ms'")
        with pytest.raises(asyncpg.QueryCanceledError):
            await service.fetch(REFRESH)
    assert await operator.fetchval("SELECT count(*) FROM analytics_refreshes") == 0


async def test_one_view_may_be_refreshed_for_a_job(service: Connection) -> None:
    job = "018f0000-0000-7000-8000-000000000000"
    outcome = await service.fetchrow("SELECT * FROM refresh_analytics_view('school_metrics', $1, 'cron')", job)
    assert (str(outcome["job_id"]), outcome["triggered_by"], outcome["ok"]) == (job, "cron", True)
    assert await service.fetchval("SELECT count(*) FROM analytics_refreshes") == 1


async def test_the_fingerprint_changes_with_the_board_and_only_then(service: Connection, person: str) -> None:
    async def fingerprint() -> str:
        row = await service.fetchrow("SELECT * FROM refresh_analytics_view('leaderboard_totals')")
        return str(row["fingerprint"])

    empty = await fingerprint()
    await award(service, person, 20)
    first = await fingerprint()
    await submit(service, person)
    assert await fingerprint() == first != empty
    await award(service, person, 1)
    second = await fingerprint()
    assert second not in {empty, first}
    await service.execute("UPDATE users SET cohort = '2024A'")
    assert await fingerprint() != second


async def test_a_summary_of_nobody_is_five_empty_stages(service: Connection) -> None:
    summary = await service.fetch("SELECT * FROM get_user_point_summary('nobody')")
    assert [row["activity_code"] for row in summary] == ["LEARN", "EXPLORE", "AMPLIFY", "PRESENT", "SHINE"]
    assert {row["total_points"] for row in summary} == {0}
