"""Plain SQL for the tests of what the database itself keeps: no service code between the test and the rule."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest
from tests.support.payloads import payload_for

Connection: TypeAlias = asyncpg.Connection


@contextmanager
def refused(constraint: str) -> Iterator[pytest.ExceptionInfo[asyncpg.PostgresError]]:
    """The database refuses, and names this rule."""
    with pytest.raises(asyncpg.PostgresError) as info:
        yield info
    assert info.value.constraint_name == constraint, info.value


@asynccontextmanager
async def restoring(connection: Connection) -> AsyncIterator[None]:
    """A transaction under the operator's switch; it counts only for the owner."""
    async with connection.transaction():
        await connection.execute("SET LOCAL elevate.restore = 'on'")
        yield


async def add_person(connection: Connection, person: str, role: str = "PARTICIPANT") -> str:
    await connection.execute(
        "INSERT INTO users (id, handle, role) VALUES ($1, $2, $3)", person, person.replace("_", "-"), role
    )
    return person


async def submit(connection: Connection, person: str, activity: str = "EXPLORE", **columns: Any) -> UUID:
    """Insert a submission. `payload` entries are merged over a valid payload of the stage."""
    payload = payload_for(activity, **columns.pop("payload", {}))
    values = {"user_id": person, "activity_code": activity, "payload": json.dumps(payload), **columns}
    names = ", ".join(values)
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    found: UUID = await connection.fetchval(
        f"INSERT INTO submissions ({names}) VALUES ({places}) RETURNING id", *values.values()
    )
    return found


async def edit(connection: Connection, submission: UUID, activity: str = "EXPLORE", **payload: Any) -> None:
    """Put another payload in its place, as the owner of the evidence would."""
    await connection.execute(
        "UPDATE submissions SET payload = $2 WHERE id = $1", submission, json.dumps(payload_for(activity, **payload))
    )


async def change(connection: Connection, submission: UUID, **columns: Any) -> None:
    assignments = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, start=2))
    await connection.execute(f"UPDATE submissions SET {assignments} WHERE id = $1", submission, *columns.values())


async def approve(connection: Connection, submission: UUID, reviewer: str, points: int | None = 0) -> None:
    await change(connection, submission, status="APPROVED", reviewer_id=reviewer, points_awarded=points)


async def award(connection: Connection, person: str, points: int, activity: str = "EXPLORE", **columns: Any) -> UUID:
    """Insert a ledger row."""
    values = {"user_id": person, "activity_code": activity, "source": "MANUAL", "delta_points": points, **columns}
    names = ", ".join(values)
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    found: UUID = await connection.fetchval(
        f"INSERT INTO points_ledger ({names}) VALUES ({places}) RETURNING id", *values.values()
    )
    return found
