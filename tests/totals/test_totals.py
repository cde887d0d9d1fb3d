"""What a fold counts, what it leaves alone, and when everything is counted anew."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from tests.support.cluster import SERVICE, SUPERUSER
from tests.support.sql import Connection, add_person, award
from tests.totals.truth import assert_exact

Connect = Callable[..., Awaitable[Connection]]
FOLD = "SELECT * FROM fold_totals(true)"


async def versions(line: Connection) -> tuple[int, int]:
    row = await line.fetchrow("SELECT version_all, version_30d FROM totals_state")
    return row["version_all"], row["version_30d"]


async def test_nothing_new_is_found_out_and_changes_nothing(line: Connection) -> None:
    await line.fetchrow(FOLD)
    before = await versions(line)
    found = await line.fetchrow(FOLD)
    assert found["outcome"] == "unchanged"
    assert await versions(line) == before


async def test_a_long_transaction_holds_nobody_back_and_is_counted_once_when_it_ends(
    connect: Connect, line: Connection
) -> None:
    await add_person(line, "ayu")
    long = await connect()
    transaction = long.transaction()
    await transaction.start()
    await award(long, "ayu", 20)
    for expected in (1, 2):
        await award(line, "ayu", 1)
        await line.fetchrow(FOLD)
        assert await line.fetchval("SELECT total_points FROM user_totals") == expected
    await transaction.commit()
    await line.fetchrow(FOLD)
    await line.fetchrow(FOLD)
    assert await line.fetchval("SELECT total_points FROM user_totals") == 22
    await assert_exact(line)


async def test_only_one_folds_at_a_time(connect: Connect, line: Connection) -> None:
    other = await connect()
    async with other.transaction():
        await other.fetchrow(FOLD)
        assert await line.fetchval("SELECT outcome FROM fold_totals()") == "running"
    assert await line.fetchval("SELECT outcome FROM fold_totals()") == "unchanged"


async def test_a_row_leaves_the_window_without_a_write(line: Connection) -> None:
    await add_person(line, "ayu")
    await line.execute(
        "INSERT INTO points_ledger (user_id, activity_code, source, delta_points, created_at)"
        " VALUES ('ayu', 'LEARN', 'FORM', 20, now() - interval '720 hours' + interval '0.4 s')"
    )
    await line.fetchrow(FOLD)
    assert await line.fetchval("SELECT points_30d FROM user_totals") == 20
    before = await versions(line)
    await line.execute("SELECT pg_sleep(0.5)")  # the database's own clock has to pass
    found = await line.fetchrow(FOLD)
    assert (found["outcome"], found["swept_rows"]) == ("folded", 1)
    assert tuple(await line.fetchrow("SELECT total_points, points_30d, entries_30d FROM user_totals")) == (20, 0, 0)
    assert await versions(line) == (before[0], before[1] + 1)
    assert await line.fetchval("SELECT count(*) FROM score_histogram WHERE period = '30d'") == 0


@pytest.mark.parametrize(
    ("change", "raised"),
    [
        ("UPDATE users SET show_on_leaderboard = false WHERE id = 'ayu'", True),
        ("UPDATE users SET name = 'Ayu' WHERE id = 'ayu'", True),
        ("SELECT erase_user('ayu')", True),
        ("UPDATE users SET email = 'x@y.test' WHERE id = 'ayu'", False),
        ("UPDATE users SET cohort = 'B' WHERE id = 'nobody'", False),
    ],
)
async def test_the_version_is_raised_when_the_board_looks_different(
    line: Connection, change: str, raised: bool
) -> None:
    await add_person(line, "ayu")
    await add_person(line, "nobody")
    await award(line, "ayu", 20)
    await line.fetchrow(FOLD)
    before = await versions(line)
    await line.execute(change)
    await line.fetchrow(FOLD)
    assert (await versions(line) != before) is raised


async def test_in_another_cluster_everything_is_counted_anew_behind_a_new_base(connect: Connect) -> None:
    """As after a dump was restored where transaction ids start again: stamps are from the future, ids are not."""
    line = await connect(SUPERUSER)
    await add_person(line, "ayu")
    await award(line, "ayu", 20)
    await line.fetchrow(FOLD)
    await line.execute("SET session_replication_role = replica")
    await line.execute("UPDATE points_ledger SET stamp = stamp + 5000000000")
    await line.execute("SET session_replication_role = origin")
    await line.execute("UPDATE totals_state SET system_identifier = 1, folded = '5000000900:5000000900:'")
    await award(line, "ayu", 1)  # before the first fold, with an id below those that were folded

    assert (await line.fetchrow(FOLD))["outcome"] == "rebuilt"

    for expected in (22, 23):
        await award(line, "ayu", 1)
        assert (await line.fetchrow(FOLD))["ledger_rows"] == 1
        assert await line.fetchval("SELECT total_points FROM user_totals") == expected
    await assert_exact(line)


async def test_a_database_set_back_to_before_its_last_fold_is_counted_anew(connect: Connect) -> None:
    line = await connect(SUPERUSER)
    await line.fetchrow(FOLD)
    await line.execute("UPDATE totals_state SET folded = '4000000000:4000000000:'")
    assert (await line.fetchrow(FOLD))["outcome"] == "rebuilt"


async def test_rows_that_went_have_everything_counted_anew(connect: Connect, line: Connection) -> None:
    await add_person(line, "ayu")
    await line.execute("INSERT INTO submissions (user_id, activity_code, payload) VALUES ('ayu', 'SHINE', '{}')")
    await line.fetchrow(FOLD)
    await line.execute("DELETE FROM submissions")
    assert (await line.fetchrow(FOLD))["outcome"] == "rebuilt"
    await assert_exact(line)


async def test_another_time_zone_counts_the_days_anew_and_one_that_does_not_exist_is_waited_out(
    line: Connection,
) -> None:
    await line.fetchrow(FOLD)
    await line.execute("UPDATE app_settings SET value = '\"Pacific/Kiritimati\"' WHERE key = 'program_timezone'")
    assert (await line.fetchrow(FOLD))["outcome"] == "rebuilt"
    await line.execute("UPDATE app_settings SET value = '\"Mars/Olympus\"' WHERE key = 'program_timezone'")
    assert (await line.fetchrow(FOLD))["outcome"] == "unchanged"
    assert await line.fetchval("SELECT timezone FROM totals_state") == "Pacific/Kiritimati"


async def test_the_service_writes_no_stamp_no_total_and_no_note(connect: Connect, line: Connection) -> None:
    await add_person(line, "ayu")
    service = await connect(SERVICE)
    for statement in (
        "INSERT INTO points_ledger (user_id, delta_points, stamp) SELECT 'a', 1, 0",
        "UPDATE user_totals SET total_points = 1",
        "UPDATE user_totals_rows SET total_points = 1",
        "INSERT INTO people_changes VALUES ('ayu')",
        "DELETE FROM submission_changes",
        "UPDATE totals_state SET as_of = now()",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(statement)


async def test_a_rebuild_keeps_rights_and_row_level_security(connect: Connect, line: Connection) -> None:
    service = await connect(SERVICE)
    await add_person(line, "ayu")
    await award(line, "ayu", 20)
    assert await service.fetchval("SELECT rebuild_totals()") == 1
    assert await service.fetchval("SELECT total_points FROM user_totals") == 20
    assert await service.fetchval("SELECT total_points FROM user_totals_rows") == 20
    assert await line.fetchval("SELECT relrowsecurity FROM pg_class WHERE relname = 'user_totals_rows'")


async def test_a_view_whose_inputs_did_not_change_is_left_alone_and_counts_as_refreshed(line: Connection) -> None:
    await add_person(line, "ayu")
    await award(line, "ayu", 20)
    await line.execute("SELECT refresh_all_analytics()")
    await line.execute("SELECT refresh_all_analytics()")
    told = await line.fetch("SELECT ok, unchanged, row_count FROM analytics_refreshes ORDER BY started_at")
    assert [row["unchanged"] for row in told] == [False] * 6 + [True] * 6
    assert all(row["ok"] for row in told)
    assert [row["row_count"] for row in told][:6] == [row["row_count"] for row in told][6:]
    await line.execute("UPDATE users SET school = 'SMA 1' WHERE id = 'ayu'")
    await line.execute("SELECT refresh_all_analytics()")
    changed = await line.fetch("SELECT view_name FROM analytics_refreshes ORDER BY started_at DESC LIMIT 6")
    assert await line.fetchval("SELECT school FROM school_metrics") == "SMA 1"
    assert {row["view_name"] for row in changed} >= {"school_metrics"}


@pytest.mark.parametrize("zone", ["Asia/Jakarta", "America/Santiago"])  # the second skips midnights in September
async def test_days_are_counted_alike_at_their_edges_and_ahead_of_today(line: Connection, zone: str) -> None:
    for person in ("ayu", "budi"):
        await add_person(line, person)
    await line.execute("UPDATE app_settings SET value = to_jsonb($1::text) WHERE key = 'program_timezone'", zone)
    await line.fetchrow(FOLD)
    async with line.transaction():
        await line.execute("SET LOCAL elevate.restore = 'on'")  # an operator may bring rows of any moment
        await line.execute(
            """INSERT INTO submissions (user_id, activity_code, payload, created_at)
               SELECT person, 'SHINE', '{}', (program_today($1) - ago)::timestamp AT TIME ZONE $1 + edge
               FROM generate_series(-3, 92) AS ago, unnest(ARRAY['ayu', 'budi', 'ayu']) AS person,
                    unnest(ARRAY[interval '-1 microsecond', '0', '1 hour']) AS edge""",
            zone,
        )
    await assert_exact(line)
    assert await line.fetchval("SELECT max(day) - program_today($1) FROM day_totals", zone) == 3
    assert await line.fetchval("SELECT DISTINCT people FROM day_totals WHERE day < program_today($1)", zone) == 2
