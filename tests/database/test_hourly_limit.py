"""At most 10 submissions per person in any 60 minutes, withdrawn ones included (shared/domain.md)."""

import json
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from tests.support.sql import Connection, add_person, refused, restoring, submit

LIMIT = "submissions_hourly_limit"


async def ago(operator: Connection, person: str, minutes: float, **columns: Any) -> None:
    at = await operator.fetchval("SELECT clock_timestamp() - $1::interval", timedelta(minutes=minutes))
    async with restoring(operator):
        await submit(operator, person, "SHINE", created_at=at, **columns)


def retry_after(error: pytest.ExceptionInfo[asyncpg.PostgresError]) -> Any:
    return json.loads(error.value.detail)["retry_after_seconds"]


async def test_ten_pass_and_the_eleventh_does_not(anybody: Connection, person: str) -> None:
    for _ in range(10):
        await submit(anybody, person, "SHINE")
    with refused(LIMIT) as info:
        await submit(anybody, person, "SHINE")
    assert json.loads(info.value.detail)["limit"] == 10
    assert 3590 <= retry_after(info) <= 3600


async def test_withdrawn_ones_count(service: Connection, person: str) -> None:
    for _ in range(10):
        await submit(service, person, "SHINE")
    await service.execute("UPDATE submissions SET status = 'WITHDRAWN'")
    with refused(LIMIT):
        await submit(service, person, "SHINE")


async def test_it_counts_over_all_stages(service: Connection, person: str) -> None:
    for activity in ("EXPLORE", "AMPLIFY", "PRESENT", "SHINE", "LEARN") + ("SHINE",) * 5:
        await submit(service, person, activity)
    with refused(LIMIT):
        await submit(service, person, "EXPLORE")


async def test_the_wait_is_until_the_tenth_latest_is_an_hour_old(
    service: Connection, operator: Connection, person: str
) -> None:
    for minutes in (59, 50, 49, 40, 30, 20, 10, 5, 4, 3, 2):
        await ago(operator, person, minutes)
    with refused(LIMIT) as info:
        await submit(service, person, "SHINE")
    assert 590 <= retry_after(info) <= 600  # the one of 50 minutes ago; the eleventh needs no waiting for


async def test_what_is_an_hour_old_does_not_count(service: Connection, operator: Connection, person: str) -> None:
    for _ in range(10):
        await ago(operator, person, 60)
    await submit(service, person, "SHINE")
    assert await service.fetchval("SELECT count(*) FROM submissions") == 11


async def test_nobody_waits_for_another(service: Connection, person: str) -> None:
    await add_person(service, "budi")
    for _ in range(10):
        await submit(service, person, "SHINE")
    await submit(service, "budi", "SHINE")
    assert await service.fetchval("SELECT count(*) FROM submissions WHERE user_id = 'budi'") == 1


async def test_eleven_in_one_statement_are_refused(anybody: Connection, person: str) -> None:
    with refused(LIMIT):
        await anybody.execute(
            "INSERT INTO submissions (user_id, activity_code, payload)"
            " SELECT $1, 'SHINE', '{}' FROM generate_series(1, 11)",
            person,
        )


@pytest.mark.parametrize("limit", [0, 1, 3])
async def test_the_limit_is_that_of_the_settings(
    limit: int, service: Connection, operator: Connection, person: str
) -> None:
    await operator.execute("UPDATE app_settings SET value = $1 WHERE key = 'submissions_per_hour'", json.dumps(limit))
    for _ in range(limit):
        await submit(service, person, "SHINE")
    with refused(LIMIT) as info:
        await submit(service, person, "SHINE")
    assert 3500 < retry_after(info) <= 3600
