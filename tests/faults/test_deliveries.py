"""A burst of deliveries: all of them are stored, and people are served meanwhile."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from tests.faults.conftest import LIMITS, POOL, ROOMY
from tests.faults.test_time_limits import is_unavailable, me, served
from tests.kajabi.deliveries import TOKEN, URL, hook
from tests.support.waiting import until

from elevate_api.config import KajabiSettings, Settings
from elevate_api.kit import bounds
from elevate_api.kit.bounds import Admission
from elevate_api.kit.db import Database
from elevate_api.kit.problems import DatabaseUnavailable

BURST = 10 * POOL
"""More than may use the pool, wait for it and fill what is kept for the public board."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    kajabi = KajabiSettings.model_validate({"KAJABI_WEBHOOK_TOKENS": TOKEN})
    return settings.model_copy(update={"kajabi": kajabi})


async def deliver(client: httpx.AsyncClient) -> httpx.Response:
    contact = uuid4().hex
    return await client.post(URL, content=hook(contact, f"{contact}@school.example"))


async def count(owner: Database) -> int:
    async with owner.session() as session:
        found: int = await session.scalar(text("SELECT count(*) FROM kajabi_events"))
        return found


@pytest.mark.parametrize("limits", [ROOMY])
async def test_a_burst_is_stored_whole_although_people_would_be_refused(
    bounded: httpx.AsyncClient, service_database: Database, owner_database: Database
) -> None:
    """An administrator who tags a class has Kajabi send hundreds at once, and nothing says that it sends them again."""
    before = await count(owner_database)
    service_database.admission.present += 10 * service_database.admission.limit  # a crowd of people
    try:
        answers = await asyncio.gather(*(deliver(bounded) for _ in range(BURST)))
    finally:
        service_database.admission.present = 0
    assert {answer.status_code for answer in answers} == {202}
    assert await count(owner_database) == before + BURST
    assert service_database.admission.deliveries == 0


@pytest.mark.parametrize("limits", [replace(LIMITS, lock=5, statement=8, transaction=12)])
async def test_deliveries_that_are_stuck_leave_connections_for_people(
    bounded: httpx.AsyncClient, service_database: Database, owner_database: Database
) -> None:
    await served(bounded, "somebody")
    async with owner_database.session() as session:
        await session.execute(text("LOCK TABLE kajabi_events IN ACCESS EXCLUSIVE MODE"))
        stuck = [asyncio.create_task(deliver(bounded)) for _ in range(BURST)]

        async def waiting() -> bool:
            return service_database.admission.deliveries == BURST

        await until(waiting)
        assert (await me(bounded, "somebody")).status_code == 200
        assert not any(task.done() for task in stuck)
    answers = await asyncio.gather(*stuck)
    assert {answer.status_code for answer in answers} <= {202, 503}
    assert all(is_unavailable(answer) for answer in answers if answer.status_code == 503)


async def test_one_too_many_and_one_without_patience_are_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "DELIVERIES", 2)
    admission = Admission(2, 0)  # one turn
    async with admission.deliver(1):
        with pytest.raises(DatabaseUnavailable):
            async with admission.deliver(0.01):
                pass
        patient = asyncio.create_task(_pass(admission))
        await asyncio.sleep(0)
        with pytest.raises(DatabaseUnavailable):
            await _pass(admission)
        assert not patient.done()
    await patient
    assert admission.deliveries == 0


async def _pass(admission: Admission) -> None:
    async with admission.deliver(30):
        pass
