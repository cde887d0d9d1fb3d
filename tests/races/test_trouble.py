"""A deadlock, a conflict, a full disk in the middle of a write: 503 and come again, never 500, and nothing half done.

The database itself raises each of them, at the last statement of the transaction, when everything else is written.
"""

import asyncio
from pathlib import Path

import pytest
from tests.races.operations import OPERATIONS, Outcome
from tests.races.scene import Stage, theatre
from tests.races.trials import state_of
from tests.support.cluster import Administrator
from tests.support.waiting import until

STATES = {
    "40P01": "deadlock",
    "40001": "serialisation failure",
    "55P03": "lock timeout",
    "57014": "statement timeout",
    "57P01": "the server is shut down",
    "57P03": "the server starts",
    "53100": "disk full",
    "53200": "out of memory",
    "53300": "too many connections",
    "25006": "read only",
}
WRITES = (
    "submit explore", "submit with a key", "edit explore", "withdraw explore", "approve explore", "bulk",
    "revoke present", "adjust up", "award a badge", "promote ana", "boss asks for erasure", "opt out",
    "clerk deletes ana",
    "match the waiting event", "announce a file",
)  # fmt: skip

_RAISE = """
CREATE OR REPLACE FUNCTION fail_here() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'in the middle of it' USING ERRCODE = '{state}';
END $$;
CREATE OR REPLACE TRIGGER fail_here AFTER INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION fail_here();
"""


async def trouble(stage: Stage, state: str, name: str) -> Outcome:
    await stage.superuser.execute(_RAISE.format(state=state))
    outcome = await OPERATIONS[name](stage, "trouble")
    await stage.superuser.execute("DROP TRIGGER fail_here ON audit_log")
    return outcome


async def test_trouble_in_the_database_is_503_with_nothing_done(administrator: Administrator, tmp_path: Path) -> None:
    async with theatre(administrator, tmp_path) as stages, stages.stage() as stage:
        before = await state_of(stage)
        wrong = []
        for state, meaning in STATES.items():
            for name in WRITES:
                outcome = await trouble(stage, state, name)
                if (outcome.status, outcome.code) != (503, "DATABASE_UNAVAILABLE") or outcome.retry_after is None:
                    wrong.append(f"{name}, {meaning}: {outcome}")
        assert not wrong, "\n".join(wrong)
        assert await state_of(stage) == before


@pytest.mark.parametrize("state", ["40P01", "53100"])
async def test_a_delivery_in_trouble_is_kept_and_finished_later(
    administrator: Administrator, tmp_path: Path, state: str
) -> None:
    """It is stored before anything can fail: told so, retried by the sweep, granted once."""
    async with theatre(administrator, tmp_path) as stages, stages.stage() as stage:
        outcome = await trouble(stage, state, "deliver one tag")
        assert outcome.status == 202
        event = await stage.superuser.fetchrow("SELECT status, attempts FROM kajabi_events WHERE contact_id = '99'")
        assert tuple(event) == ("FAILED", 1)
        await stage.superuser.execute("UPDATE kajabi_events SET next_attempt_at = now() WHERE status = 'FAILED'")
        await OPERATIONS["sweep the inbox"](stage, "later")
        points = await stage.superuser.fetch("SELECT delta_points FROM points_ledger WHERE source = 'WEBHOOK'")
        assert [row[0] for row in points] == [10]


async def test_a_real_deadlock_sends_the_request_away(administrator: Administrator, tmp_path: Path) -> None:
    """Somebody at a console takes two locks the other way round, and is more patient than the service."""
    async with theatre(administrator, tmp_path) as stages, stages.stage() as stage:
        holder, explore = stage.holder, stage.id("explore")
        await holder.execute("SET deadlock_timeout = '1min'")
        async with holder.transaction():
            await holder.execute("SELECT 1 FROM submissions WHERE id = $1 FOR UPDATE", explore)
            deciding = asyncio.ensure_future(OPERATIONS["approve explore"](stage, "deadlock"))
            await until(lambda: _waits(stage))
            await holder.execute("SELECT 1 FROM users WHERE id = 'user_ana' FOR UPDATE")
            outcome = await deciding
        assert (outcome.status, outcome.code) == (503, "DATABASE_UNAVAILABLE")
        assert outcome.retry_after is not None
        assert await stage.superuser.fetchval("SELECT status FROM submissions WHERE id = $1", explore) == "PENDING"
        assert (await OPERATIONS["approve explore"](stage, "again")).status == 200


async def _waits(stage: Stage) -> bool:
    query = (
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
    )
    return bool(await stage.superuser.fetchval(query))
