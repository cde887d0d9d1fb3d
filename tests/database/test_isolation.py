"""Rules on sums and counts are judged behind a lock, so they need the newest rows: READ COMMITTED.

Under the higher levels a transaction goes on seeing what it saw before it waited. SERIALIZABLE notices only what other
SERIALIZABLE transactions do, and the service's are not: both are refused rather than sometimes wrong.
"""

import asyncpg
import pytest
from tests.support.sql import Connection, add_person, edit, submit

LEVELS = ("repeatable_read", "serializable")
HIGHER = pytest.mark.parametrize("level", LEVELS)


@HIGHER
async def test_submitting_is_refused_with_a_reason(level: str, anybody: Connection, person: str) -> None:
    with pytest.raises(asyncpg.InvalidTransactionStateError, match="READ COMMITTED"):
        async with anybody.transaction(isolation=level):
            await submit(anybody, person)


@HIGHER
async def test_editing_an_amplify_claim_is_refused(level: str, anybody: Connection, person: str) -> None:
    claim = await submit(anybody, person, "AMPLIFY")
    with pytest.raises(asyncpg.InvalidTransactionStateError, match="READ COMMITTED"):
        async with anybody.transaction(isolation=level):
            await edit(anybody, claim, "AMPLIFY", peersTrained=6)


@HIGHER
async def test_demoting_a_superadmin_is_refused(level: str, anybody: Connection) -> None:
    for boss in ("boss", "other"):
        await add_person(anybody, boss, "SUPERADMIN")
    with pytest.raises(asyncpg.InvalidTransactionStateError, match="READ COMMITTED"):
        async with anybody.transaction(isolation=level):
            await anybody.execute("UPDATE users SET role = 'ADMIN' WHERE id = 'boss'")


@HIGHER
async def test_reading_and_plain_writes_work(level: str, anybody: Connection, person: str) -> None:
    async with anybody.transaction(isolation=level):
        await anybody.execute("UPDATE users SET name = 'Ayu' WHERE id = $1", person)
        assert await anybody.fetchval("SELECT name FROM users") == "Ayu"


async def test_read_uncommitted_is_read_committed(anybody: Connection, person: str) -> None:
    async with anybody.transaction(isolation="read_uncommitted"):
        await submit(anybody, person)
    assert await anybody.fetchval("SELECT count(*) FROM submissions") == 1


@HIGHER
async def test_an_old_snapshot_never_passes_the_quota(
    level: str, service: Connection, operator: Connection, person: str
) -> None:
    """The trial that shows why: the second transaction has its snapshot before the first one commits."""
    async with service.transaction(isolation=level):
        await service.fetchval("SELECT 1")
        await submit(operator, person, "AMPLIFY", payload={"peersTrained": 50})
        with pytest.raises(asyncpg.PostgresError):
            async with service.transaction():
                await submit(service, person, "AMPLIFY", payload={"peersTrained": 50})
    assert await operator.fetchval("SELECT sum(peers_trained) FROM submissions") == 50


@HIGHER
async def test_an_old_snapshot_never_demotes_the_last_superadmin(
    level: str, service: Connection, operator: Connection
) -> None:
    for boss in ("boss", "other"):
        await add_person(operator, boss, "SUPERADMIN")
    async with service.transaction(isolation=level):
        await service.fetchval("SELECT 1")
        await operator.execute("UPDATE users SET role = 'ADMIN' WHERE id = 'boss'")
        with pytest.raises(asyncpg.PostgresError):
            async with service.transaction():
                await service.execute("UPDATE users SET role = 'ADMIN' WHERE id = 'other'")
    assert await operator.fetchval("SELECT count(*) FROM users WHERE role = 'SUPERADMIN'") == 1
