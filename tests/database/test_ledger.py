"""The ledger is append-only; -1000 <= delta_points <= 1000, never 0 (shared/domain.md)."""

from typing import Any

import asyncpg
import pytest
from tests.support.sql import Connection, add_person, award, refused

TABLES = ("points_ledger", "point_adjustments")


@pytest.fixture
async def written(operator: Connection, person: str) -> None:
    await add_person(operator, "admin", "ADMIN")
    await award(operator, person, 20, "LEARN")
    await operator.execute(
        "INSERT INTO point_adjustments (user_id, activity_code, delta_points, reason, created_by)"
        " VALUES ($1, 'LEARN', 5, 'x', 'admin')",
        person,
    )


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET delta_points = 1",
        "UPDATE {} SET delta_points = 1 WHERE false",
        "DELETE FROM {}",
        "DELETE FROM {} WHERE false",
        "TRUNCATE {}",
    ],
)
@pytest.mark.usefixtures("written")
class TestNothingIsTakenBack:
    async def test_not_by_the_owner(self, statement: str, table: str, operator: Connection) -> None:
        with refused(f"{table}_append_only"):
            await operator.execute(statement.format(table))
        assert await operator.fetchval(f"SELECT count(*) FROM {table}") == 1

    async def test_not_by_the_owner_under_the_operators_switch(
        self, statement: str, table: str, operator: Connection
    ) -> None:
        await operator.execute("SET elevate.restore = 'on'")
        with refused(f"{table}_append_only"):
            await operator.execute(statement.format(table))

    async def test_not_by_the_service(self, statement: str, table: str, service: Connection) -> None:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(statement.format(table))
        assert await service.fetchval(f"SELECT count(*) FROM {table}") == 1


@pytest.mark.usefixtures("written")
async def test_an_upsert_changes_no_entry(anybody: Connection, person: str) -> None:
    await award(anybody, person, 10, external_event_id="e")
    with pytest.raises(asyncpg.PostgresError) as info:
        await anybody.execute(
            "INSERT INTO points_ledger (user_id, activity_code, source, delta_points, external_event_id)"
            " VALUES ($1, 'LEARN', 'FORM', 99, 'e')"
            " ON CONFLICT (external_event_id) DO UPDATE SET delta_points = excluded.delta_points",
            person,
        )
    assert info.value.sqlstate in {"23001", "42501"}  # append-only for the owner, no privilege for the service


@pytest.mark.usefixtures("written")
async def test_a_person_with_points_is_not_deleted(operator: Connection, person: str) -> None:
    with refused("points_ledger_user_id_fkey"):
        await operator.execute("DELETE FROM users WHERE id = $1", person)


@pytest.mark.usefixtures("written")
async def test_truncating_people_does_not_reach_the_ledger(operator: Connection) -> None:
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await operator.execute("TRUNCATE users CASCADE")
    assert await operator.fetchval("SELECT count(*) FROM points_ledger") == 1


@pytest.mark.parametrize("points", [-1000, -1, 1, 1000])
async def test_points_within_bounds_are_written(points: int, anybody: Connection, person: str) -> None:
    await award(anybody, person, points)
    assert await anybody.fetchval("SELECT delta_points FROM points_ledger") == points


@pytest.mark.parametrize("points", [-1001, 0, 1001, 2**31 - 1])
async def test_points_out_of_bounds_are_refused(points: int, anybody: Connection, person: str) -> None:
    with refused("points_ledger_delta_points"):
        await award(anybody, person, points)


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"source": "GIFT"}, "points_ledger_source"),
        ({"activity_code": "DANCE"}, "points_ledger_activity_code_fkey"),
        ({"user_id": "nobody"}, "points_ledger_user_id_fkey"),
    ],
)
async def test_an_entry_names_what_exists(columns: dict[str, Any], rule: str, anybody: Connection, person: str) -> None:
    with refused(rule):
        await award(anybody, person, 1, **columns)


async def test_an_event_is_written_once(anybody: Connection, person: str) -> None:
    await add_person(anybody, "budi")
    await award(anybody, person, 10, external_event_id="kajabi:1|tag:x")
    with refused("points_ledger_external_event_id_key"):
        await award(anybody, "budi", 10, external_event_id="kajabi:1|tag:x")


async def test_entries_without_an_event_do_not_collide(anybody: Connection, person: str) -> None:
    """What the manual's SQL inserts."""
    for _ in range(2):
        await award(anybody, person, 20, "LEARN")
    assert await anybody.fetchval("SELECT sum(delta_points) FROM points_ledger") == 40


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"delta_points": 0}, "point_adjustments_delta_points"),
        ({"delta_points": 1001}, "point_adjustments_delta_points"),
        ({"reason": "  "}, "point_adjustments_reason"),
        ({"created_by": "ayu"}, "point_adjustments_own"),
    ],
)
async def test_a_correction_is_somebody_elses_and_has_a_reason(
    columns: dict[str, Any], rule: str, anybody: Connection, person: str
) -> None:
    await add_person(anybody, "admin", "ADMIN")
    row = {"delta_points": 5, "reason": "typo", "created_by": "admin", **columns}
    with refused(rule):
        await anybody.execute(
            "INSERT INTO point_adjustments (user_id, activity_code, delta_points, reason, created_by)"
            " VALUES ($1, 'LEARN', $2, $3, $4)",
            person,
            *row.values(),
        )
