"""The seal: whatever is done to sealed rows or to the seal itself behind the triggers' back is found and named."""

import asyncio
import hashlib
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from tests.seal.conftest import Entries, Superuser, nobody_is_late, proof, sealed
from tests.support.factories import Factory
from tests.support.racing import race
from tests.support.sql import refused

from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database
from elevate_api.points.models import LedgerEntry
from elevate_api.seal import horizon, service
from elevate_api.seal.jobs import seal_when_due

AGES_AGO = "01890000-0000-7000-8000-000000000001"
STRANGER = f"""INSERT INTO points_ledger (id, user_id, activity_code, source, delta_points, created_at)
               SELECT '{AGES_AGO}', min(id), 'LEARN', 'FORM', 20, '2023-06-28' FROM users"""


async def scalar(database: Database, statement: str) -> object:
    async with database.session() as session:
        return await session.scalar(text(statement))


async def test_every_row_is_sealed_once_and_the_proof_holds(database: Database, entries: Entries) -> None:
    await entries(7)
    done = await sealed(database)
    assert (done["rows"], done["batches"]) == (7, 3)
    await entries(2)
    assert (await sealed(database))["rows"] == 2
    assert (await sealed(database))["rows"] == 0
    found = await proof(database)
    assert (found.holds, found.batches, found.rows, found.waiting) == (True, 4, 9, 0)
    members = await scalar(database, "SELECT count(DISTINCT i) FROM ledger_seals, unnest(ids) AS i")
    assert members == await scalar(database, "SELECT count(*) FROM points_ledger") == 9


async def test_an_empty_ledger_has_no_head_and_holds(database: Database) -> None:
    assert (await sealed(database))["head"] is None
    assert (await proof(database)).holds


async def test_the_digest_is_what_the_decision_page_says(database: Database, entries: Entries, owner: Database) -> None:
    """Computed here from the rows, in Python, by the words of docs/decisions/ledger-seal.md."""
    await entries(2)
    await sealed(database)
    async with owner.session() as session:
        await session.execute(text("SET LOCAL timezone = 'Asia/Jakarta'"))
        rows = list((await session.execute(text("SELECT * FROM points_ledger ORDER BY id"))).all())
        seal = (await session.execute(text("SELECT * FROM ledger_seals"))).one()

    def sized(words: str | None) -> str:
        return "-" if words is None else f"{len(words.encode())}:{words}"

    def seconds(moment: object) -> str:
        return f"{moment.timestamp():.6f}"  # type: ignore[attr-defined]

    digests = [
        hashlib.sha256(
            f"{row.id}|{sized(row.user_id)}|{sized(row.activity_code)}|{sized(row.source)}|{row.delta_points}|"
            f"{sized(row.external_event_id)}|{seconds(row.event_time)}|{seconds(row.created_at)}".encode()
        ).digest()
        for row in rows
    ]
    content = hashlib.sha256(b"".join(digests)).hexdigest()
    head = f"elevate-ledger-seal-1|1|{'00' * 32}|2|{seconds(seal.sealed_at)}|-|-|{content}"
    assert seal.digest == hashlib.sha256(head.encode()).digest()


# --- what somebody with all rights may do ---------------------------------------------------------------------------


EDITS = (
    "delta_points = 999",
    "user_id = (SELECT max(id) FROM users)",
    "created_at = created_at - interval '1 day'",
    "event_time = event_time + interval '1 microsecond'",
    "external_event_id = 'submission:x:approved:v1'",
    "source = 'MANUAL'",
    "activity_code = 'SHINE'",
)


async def test_an_edit_behind_the_triggers_back_is_found_and_named(
    database: Database, entries: Entries, superuser: Superuser, factory: Factory
) -> None:
    rows = await entries(5)
    await factory.user(id="zz")
    await sealed(database)
    await superuser("CREATE TABLE kept AS TABLE points_ledger")
    for edit in EDITS:
        await superuser(f"UPDATE points_ledger SET {edit} WHERE id = '{rows[4].id}'")
        found = await proof(database)
        assert [(one.number, one.changed, one.missing) for one in found.broken] == [(2, 1, 0)], edit
        assert found.broken[0].changed_ids == (rows[4].id,)
        assert not found.holds
        await superuser("DELETE FROM points_ledger", "INSERT INTO points_ledger SELECT * FROM kept")
    assert (await proof(database)).holds


async def test_a_removed_row_is_found_and_named(database: Database, entries: Entries, superuser: Superuser) -> None:
    rows = await entries(5)
    await sealed(database)
    await superuser(f"DELETE FROM points_ledger WHERE id = '{rows[0].id}'")
    found = await proof(database)
    assert [(one.number, one.missing_ids) for one in found.broken] == [(1, (rows[0].id,))]


async def test_a_row_put_into_the_past_is_found_and_named(
    database: Database, entries: Entries, superuser: Superuser
) -> None:
    await entries(5)
    await sealed(database)
    await nobody_is_late(database)
    await sealed(database)
    await superuser(STRANGER)
    assert (await sealed(database))["rows"] == 0, "the job must not take it in as if it had been written today"
    found = await proof(database)
    assert (found.stranger_count, found.strangers) == (1, [UUID(AGES_AGO)])
    assert not found.holds


SEAL_EDITS = {
    "UPDATE ledger_seals SET digest = sha256('x') WHERE number = 2": {2, 3},
    "UPDATE ledger_seals SET previous = sha256('x') WHERE number = 2": {2},
    "UPDATE ledger_seals SET sealed_at = sealed_at - interval '1 day' WHERE number = 2": {2},
    "UPDATE ledger_seals SET reason = 'nothing to see' WHERE number = 2": {2},
    "UPDATE ledger_seals SET marks[1] = 0 WHERE number = 2": {2},
    'UPDATE ledger_seals SET accepted = \'{"1": "x"}\' WHERE number = 2': {2},
    "UPDATE ledger_seals SET ids = ids[1:2], marks = marks[1:2], row_count = 2, last_id = ids[2] WHERE number = 2": {2},
    "DELETE FROM ledger_seals WHERE number = 2": {2, 3},
    "DELETE FROM ledger_seals WHERE number = 1": {1, 2},
}


async def test_an_edited_seal_is_found(database: Database, entries: Entries, superuser: Superuser) -> None:
    await entries(8)
    await sealed(database)
    await superuser("CREATE TABLE kept AS TABLE ledger_seals")
    for edit, broken in SEAL_EDITS.items():
        await superuser(edit)
        assert {one.number for one in (await proof(database)).broken} == broken, edit
        await superuser("DELETE FROM ledger_seals", "INSERT INTO ledger_seals SELECT * FROM kept")
    assert (await proof(database)).holds


async def test_the_end_of_the_chain_cut_off_shows_against_a_head_known_elsewhere(
    database: Database, entries: Entries, superuser: Superuser
) -> None:
    rows = await entries(6)
    head = str((await sealed(database))["head"])
    await superuser(
        "DELETE FROM ledger_seals WHERE number = 2", f"DELETE FROM points_ledger WHERE id >= '{rows[3].id}'"
    )
    assert (await proof(database)).holds, "from within nothing is to be seen"
    found = await proof(database, heads=[(*horizon.head_of(head), "the log")])
    assert found.other_heads == ["the log knows a batch 2, which is not here"]


async def test_a_chain_made_anew_shows_against_a_head_known_elsewhere(
    database: Database, entries: Entries, superuser: Superuser
) -> None:
    await entries(3)
    head = str((await sealed(database))["head"])
    await superuser("UPDATE points_ledger SET delta_points = 500", "DELETE FROM ledger_seals", "DELETE FROM job_runs")
    await sealed(database)
    assert (await proof(database)).holds
    assert not (await proof(database, heads=[(*horizon.head_of(head), "the log")])).holds


# --- who may seal -----------------------------------------------------------------------------------------------------


async def test_the_owner_cannot_change_a_seal_either(database: Database, entries: Entries, owner_dsn: str) -> None:
    await entries(1)
    await sealed(database)
    connection = await asyncpg.connect(owner_dsn)
    for statement in ("UPDATE ledger_seals SET reason = 'x'", "DELETE FROM ledger_seals", "TRUNCATE ledger_seals"):
        with refused("ledger_seals_append_only"):
            await connection.execute(statement)
    await connection.close()


async def test_the_service_writes_no_seal_but_through_the_function(session_dsn: str, entries: Entries) -> None:
    await entries(1)
    connection = await asyncpg.connect(session_dsn)
    insert = """INSERT INTO ledger_seals SELECT 1, sha256('a'), sha256('b'), 0, NULL, NULL, '{}', '{}', now(), 'mine'"""
    accept = "SELECT seal_ledger($1, 10, 'mine', '{\"1\": \"x\"}', true)"
    for statement, parameters in ((insert, []), (accept, [horizon.NOTHING])):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement, *parameters)
    await connection.close()


# --- time, races, crashes ---------------------------------------------------------------------------------------------


async def test_a_row_that_commits_late_is_sealed(database: Database, entries: Entries, owner: Database) -> None:
    """Its id is older than many that are sealed; sweep after sweep passes while its transaction is open."""
    user = (await entries(1))[0].user_id
    async with owner.session() as late:
        row = LedgerEntry(user_id=user, activity_code="LEARN", source="FORM", delta_points=7)
        late.add(row)
        await late.flush()
        for _ in range(4):
            await entries(4)
            await sealed(database)
            await _an_hour_passes(owner)
    assert (await sealed(database))["rows"] == 1
    found = await proof(database)
    assert (found.holds, found.rows, found.waiting) == (True, 18, 0)


async def _an_hour_passes(owner: Database) -> None:
    """For the sweeps on record: the margin must not be what saves the late row."""
    async with owner.session() as session:
        await session.execute(
            text("""UPDATE job_runs SET outcome = jsonb_set(outcome, '{sweep,look,at}',
                    to_jsonb(((outcome #>> '{sweep,look,at}')::timestamptz + interval '1 hour')::text))
                    WHERE name = 'ledger-seal' AND started_at = (SELECT max(started_at) FROM job_runs)""")
        )


async def test_once_nobody_can_be_late_old_rows_are_not_looked_at_again(
    database: Database, entries: Entries, owner: Database
) -> None:
    await entries(2)
    for _ in range(3):
        await sealed(database)
        await _an_hour_passes(owner)
        await nobody_is_late(database)
    async with database.session() as session:
        floor = await horizon.known_floor(session)
    assert floor > horizon.id_at(utcnow() - horizon.MARGIN)


async def test_writers_do_not_wait_for_a_sealer_nor_a_sealer_for_writers(
    database: Database, entries: Entries, owner: Database
) -> None:
    user = (await entries(3))[0].user_id
    statement = text("SELECT number FROM seal_ledger(:zero, 10, NULL, NULL, false)")
    append = text(
        "INSERT INTO points_ledger (user_id, activity_code, source, delta_points) VALUES (:id, 'LEARN', 'FORM', 1)"
    )
    async with database.session() as sealer:
        assert await sealer.scalar(statement, {"zero": horizon.NOTHING}) == 1
        async with asyncio.timeout(5), owner.session() as writer:
            await writer.execute(append, {"id": user})
    async with owner.session() as writer:
        await writer.execute(append, {"id": user})
        async with asyncio.timeout(5):
            assert (await sealed(database))["rows"] == 1
    assert (await sealed(database))["rows"] == 1
    assert (await proof(database)).holds


async def test_a_race_of_sealers_and_writers_leaves_one_whole_chain(
    database: Database, entries: Entries, factory: Factory
) -> None:
    user = await factory.user()

    async def write() -> None:
        for _ in range(10):
            await factory.entry(user, 1)

    async def seal() -> None:
        for _ in range(6):
            async with database.session() as session:
                await session.execute(
                    text("SELECT seal_ledger(:zero, 1000, NULL, NULL, false)"), {"zero": horizon.NOTHING}
                )

    results = await race(write(), write(), write(), seal(), seal(), seal())
    assert [one for one in results if one is not None] == []
    await sealed(database)
    found = await proof(database)
    assert (found.holds, found.rows, found.waiting) == (True, 30, 0)


async def test_a_sealer_that_dies_between_batches_leaves_a_chain_that_goes_on(
    database: Database, entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    await entries(8)

    class Died(Exception):
        pass

    def die(*_: object, **__: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(service.log, "info", die, raising=False)
        with pytest.raises(Died):
            await sealed(database)
    assert (await proof(database)).rows == 3
    assert (await proof(database)).holds
    assert (await sealed(database))["rows"] == 5
    assert (await proof(database)).rows == 8


async def test_a_sealer_that_dies_within_a_batch_leaves_nothing_of_it(database: Database, entries: Entries) -> None:
    await entries(2)

    async def die_before_the_commit() -> None:
        async with database.session() as session:
            await session.execute(text("SELECT seal_ledger(:zero, 10, NULL, NULL, false)"), {"zero": horizon.NOTHING})
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await die_before_the_commit()
    assert await scalar(database, "SELECT count(*) FROM ledger_seals") == 0
    assert (await sealed(database))["rows"] == 2


async def test_the_job_records_nothing_where_nothing_is_new(database: Database, entries: Entries) -> None:
    await seal_when_due(database)
    await entries(1)
    for _ in range(3):
        await seal_when_due(database)
    assert await scalar(database, "SELECT count(*) FROM job_runs WHERE name = 'ledger-seal'") == 1
    assert (await proof(database)).rows == 1


# --- what does not break it -------------------------------------------------------------------------------------------


async def test_an_erasure_does_not_break_it(database: Database, entries: Entries, owner: Database) -> None:
    rows = await entries(4)
    await sealed(database)
    assert await scalar(owner, f"SELECT erase_user('{rows[0].user_id}')") is True
    assert (await proof(database)).holds


async def test_without_sweeps_on_record_the_seal_goes_on_from_its_last_batch(
    database: Database, entries: Entries, superuser: Superuser
) -> None:
    await entries(2)
    await sealed(database)
    await superuser("DELETE FROM job_runs", STRANGER)
    await entries(2)
    assert (await sealed(database))["rows"] == 2
    assert (await proof(database)).stranger_count == 1


def test_ids_are_ordered_by_their_time() -> None:
    now = utcnow()
    assert horizon.id_at(now - timedelta(seconds=1)) < horizon.id_at(now)
    assert horizon.id_at(now).bytes[:6] == int(now.timestamp() * 1000).to_bytes(6, "big")


@pytest.mark.parametrize("head", ["", "x", "1:abc", f"1:{'g' * 64}", f":{'a' * 64}"])
def test_what_is_no_head_is_refused(head: str) -> None:
    with pytest.raises(ValueError, match="is no head"):
        horizon.head_of(head)
