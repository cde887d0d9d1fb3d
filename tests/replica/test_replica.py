"""A real standby, built from the binaries that are there: followed, paused, cut off, promoted, stopped."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event, text

from elevate_api.backups import tools
from elevate_api.kit.db import Address, Database
from elevate_api.kit.replica import ReadDatabase, look, usable_replica
from elevate_api.postgres import EmbeddedServer, account, scratch_dir
from elevate_api.postgres.paths import make_home
from elevate_api.postgres.postmaster import wait_until

LAG = 1.0
KEEP = {"wal_keep_size": "256MB"}  # for the standby that is away for a while


@pytest.fixture(scope="module")
def primary() -> Iterator[EmbeddedServer]:
    with scratch_dir() as folder, EmbeddedServer(folder / "primary", fsync=False, settings=KEEP) as server:
        server.psql("CREATE TABLE figures (n int)")
        server.psql("INSERT INTO figures VALUES (1)")
        yield server


def make_standby(primary: EmbeddedServer, folder: Path) -> EmbeddedServer:
    """A streaming copy, by pg_basebackup -R."""
    standby = EmbeddedServer(folder, fsync=False, settings={"wal_receiver_status_interval": "1"})
    make_home(standby.layout)
    address = Address.parse(primary.superuser_dsn())
    dsn, environment = tools.connection(address)
    copy = folder / "copy"
    tools.run(
        tools.find("pg_basebackup", primary.binaries.major),
        [f"--pgdata={copy}", "--checkpoint=fast", "--write-recovery-conf", f"--dbname={dsn}"],
        environment,
    )
    owner = account.choose(standby.layout.cluster)
    for path in (copy, *copy.rglob("*")):
        owner.give(path)
    copy.rename(standby.layout.cluster)
    return standby.start()


@pytest.fixture(scope="module")
def following(primary: EmbeddedServer) -> Iterator[EmbeddedServer]:
    with scratch_dir() as folder:
        server = make_standby(primary, folder / "standby")
        yield server
        server.stop("immediate")


@pytest.fixture
def standby(following: EmbeddedServer) -> EmbeddedServer:
    """Running, whatever the test before did to it."""
    return following.start()


@pytest.fixture
async def reads(primary: EmbeddedServer, standby: EmbeddedServer) -> AsyncIterator[ReadDatabase]:
    databases = [Database(Address.parse(server.superuser_dsn()), pool_size=2) for server in (primary, standby)]
    yield ReadDatabase(databases[0], databases[1], LAG)
    for database in databases:
        await database.dispose()


async def where(reads: ReadDatabase) -> str:
    """Which of the two answers; whatever was believed is looked at anew."""
    reads._looked_at = float("-inf")
    async with reads.session() as session:
        return "standby" if await session.scalar(text("SELECT pg_is_in_recovery()")) else "primary"


def follow(primary: EmbeddedServer, standby: EmbeddedServer) -> None:
    """Write something, and wait until the standby has it."""
    primary.psql("UPDATE figures SET n = n")
    assert wait_until(lambda: caught_up(primary, standby), 20)


def last_replay_is_old(standby: EmbeddedServer) -> bool:
    return standby.psql("SELECT clock_timestamp() - pg_last_xact_replay_timestamp() > '1.1s'") == "t"


def caught_up(primary: EmbeddedServer, standby: EmbeddedServer) -> bool:
    written = primary.psql("SELECT pg_current_wal_insert_lsn()")
    return standby.psql(f"SELECT pg_last_wal_replay_lsn() >= '{written}'") == "t"


async def test_reads_go_to_a_standby_that_follows_and_see_what_was_written(
    primary: EmbeddedServer, standby: EmbeddedServer, reads: ReadDatabase
) -> None:
    primary.psql("INSERT INTO figures VALUES (2)")
    assert wait_until(lambda: caught_up(primary, standby), 20)
    assert await where(reads) == "standby"
    async with reads.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM figures")) == 2


async def test_a_standby_that_lags_is_left_until_it_has_caught_up(
    primary: EmbeddedServer, standby: EmbeddedServer, reads: ReadDatabase
) -> None:
    follow(primary, standby)
    standby.psql("SELECT pg_wal_replay_pause()")
    primary.psql("INSERT INTO figures VALUES (3)")
    assert wait_until(lambda: last_replay_is_old(standby), 20)
    assert await where(reads) == "primary"
    standing = await look(reads.primary.address, Address.parse(standby.superuser_dsn()), LAG)
    assert standing.reason == "it lags"
    assert standing.lag_seconds is not None
    assert standing.lag_seconds > LAG
    standby.psql("SELECT pg_wal_replay_resume()")
    assert wait_until(lambda: caught_up(primary, standby), 20)
    assert await where(reads) == "standby"


async def test_a_standby_that_lost_its_primary_is_left_though_it_has_replayed_all_it_got(
    primary: EmbeddedServer, standby: EmbeddedServer, reads: ReadDatabase
) -> None:
    follow(primary, standby)
    source = standby.psql("SHOW primary_conninfo")
    standby.psql("ALTER SYSTEM SET primary_conninfo = 'host=/nowhere'")
    standby.psql("SELECT pg_reload_conf()")
    assert wait_until(lambda: standby.psql("SELECT count(*) FROM pg_stat_wal_receiver") == "0", 20)
    primary.psql("INSERT INTO figures VALUES (4)")
    assert wait_until(lambda: last_replay_is_old(standby), 20)
    assert await where(reads) == "primary"
    standby.psql("ALTER SYSTEM SET primary_conninfo = '" + source.replace("'", "''") + "'")
    standby.psql("SELECT pg_reload_conf()")


async def test_the_primary_answers_when_the_standby_stops_even_between_two_looks(
    primary: EmbeddedServer, standby: EmbeddedServer, reads: ReadDatabase
) -> None:
    assert wait_until(lambda: caught_up(primary, standby), 20)
    assert await where(reads) == "standby"
    standby.stop("immediate")
    async with reads.session() as session:  # not looked at again: believed for five seconds
        assert not await session.scalar(text("SELECT pg_is_in_recovery()"))
    assert await where(reads) == "primary"
    nowhere = Address.parse("postgresql://postgres@/postgres?host=/nowhere&port=5432")
    assert await usable_replica(reads.primary.address, nowhere, LAG) is None
    assert await usable_replica(reads.primary.address, None, LAG) is None


async def test_a_promoted_standby_is_not_read_from(primary: EmbeddedServer) -> None:
    """It goes its own way from then on."""
    with scratch_dir() as folder:
        standby = make_standby(primary, folder / "standby")
        standby.psql("SELECT pg_promote()")
        addresses = [Address.parse(server.superuser_dsn()) for server in (primary, standby)]
        standing = await look(addresses[0], addresses[1], LAG)
        standby.stop("immediate")
    assert (standing.usable, standing.reason) == (False, "it is no standby")


async def test_reads_cannot_write_wherever_they_go(database: Database) -> None:
    reads = ReadDatabase(database, None, LAG)
    with pytest.raises(Exception, match="read-only transaction"):
        async with reads.session() as session:
            await session.execute(text("INSERT INTO job_runs (name, triggered_by) VALUES ('x', 'x')"))


async def test_figures_come_from_the_standby_and_from_the_primary_when_it_is_gone(
    primary: EmbeddedServer, standby: EmbeddedServer, app: FastAPI, client: httpx.AsyncClient
) -> None:
    """The whole way of a request: /api/stats asks `primary` and `standby`, which hold a service's database each."""
    follow(primary, standby)
    databases = [Database(Address.parse(server.superuser_dsn()), pool_size=2) for server in (primary, standby)]
    asked: list[str] = []
    for database, name in zip(databases, ("primary", "standby"), strict=True):
        event.listen(database.engine.sync_engine, "begin", lambda _, name=name: asked.append(name))
    app.state.read_database = ReadDatabase(databases[0], databases[1], 30)
    assert (await client.get("/api/stats")).status_code == 500  # the standby is asked, and has no such views
    assert set(asked) == {"standby"}
    standby.stop("immediate")
    assert (await client.get("/api/stats")).status_code == 200  # the request's own database
    for database in databases:
        await database.dispose()
