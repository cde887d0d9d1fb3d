"""The database itself is the trouble: told from memory, by one process of the machine, and written afterwards."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from tests.alerts.conftest import Watch
from tests.alerts.test_conditions import FIRED, OVER
from tests.support.cluster import Cluster, migrate
from tests.support.sink import HttpSink

from elevate_api.alerts.monitor import AlertMonitor
from elevate_api.alerts.recorder import Recorder
from elevate_api.config import AlertSettings, NoticeSettings, Settings
from elevate_api.kit.db import Address, Database
from elevate_api.kit.problems import describe
from elevate_api.ops.migrations import pending_count
from elevate_api.postgres import EmbeddedServer, ephemeral

RULE = "database_connection_failure"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with ephemeral() as server:
        server.create_database("watched")
        migrate(Address.parse(server.dsn("watched")))
        yield server


@pytest.fixture
async def watches(
    server: EmbeddedServer, sink: HttpSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[], Watch]]:
    """Evaluators of several processes of one machine."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server.start()
    database = Database(Address.parse(server.dsn("watched")), pool_size=2)
    async with database.session() as session:
        await session.execute(text("TRUNCATE alerts, alert_events, alert_notices, alert_samples"))
    settings = Settings(
        alerts=AlertSettings.model_validate({}),
        notices=NoticeSettings.model_validate({"ALERT_WEBHOOK_URL": f"{sink.url}/hook"}),
    )
    made: list[AlertMonitor] = []

    def make() -> Watch:
        made.append(AlertMonitor(settings, database, lambda _revision: 0))
        return Watch(made[-1], sink)

    yield make
    for monitor in made:
        await monitor.close()
    await database.dispose()


async def test_a_stopped_database_is_told_once_and_its_return_too(
    server: EmbeddedServer, watches: Callable[[], Watch], sink: HttpSink
) -> None:
    one, other = watches(), watches()
    assert await one.told(RULE, 0) == []
    server.stop("fast")
    assert await one.told(RULE, 1) == FIRED
    assert await other.told(RULE, 1.1) == FIRED  # it sees the same, and leaves it to the first
    assert await one.told(RULE, 30) == FIRED
    assert await one.told(RULE, 62) == [*FIRED, "reminder"]
    server.start()
    assert await one.told(RULE, 63) == [*FIRED, "reminder", "resolved"]
    assert await other.told(RULE, 64) == [*FIRED, "reminder", "resolved"]

    async with Database(Address.parse(server.dsn("watched")), pooled=False).session() as session:
        row = (await session.execute(text(f"SELECT * FROM alerts WHERE rule = '{RULE}'"))).mappings().one()
    assert (row["status"], row["opened_at"], row["resolved_at"]) == ("RESOLVED", one.at(1), one.at(63))
    assert row["count"] == 3


async def test_a_database_that_flaps_is_told_once_an_interval(
    server: EmbeddedServer, watches: Callable[[], Watch]
) -> None:
    watch = watches()
    await watch.look(0)
    for minutes in (1, 11, 21):
        server.stop("fast")
        await watch.look(minutes)
        server.start()
        await watch.look(minutes + 5)
    assert await watch.told(RULE, 30) == OVER


async def test_an_evaluator_that_is_started_without_a_database_tells(
    server: EmbeddedServer, watches: Callable[[], Watch]
) -> None:
    server.stop("fast")
    assert await watches().told(RULE, 0) == FIRED


async def test_when_the_one_that_speaks_dies_another_does(server: EmbeddedServer, watches: Callable[[], Watch]) -> None:
    one, other = watches(), watches()
    await one.look(0)
    server.stop("fast")
    await one.look(1)
    await one.monitor.close()
    assert await other.told(RULE, 2) == ["firing", "firing"]  # it cannot know what the first has said
    assert await other.told(RULE, 3) == ["firing", "firing"]


async def test_a_database_without_the_tables_of_alerts_is_told_from_memory(
    settings: Settings,
    sink: HttpSink,
    cluster: Cluster,
    blank_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    database = Database(cluster.address(blank_database), pooled=False)
    watch = Watch(AlertMonitor(settings, database, pending_count), sink)
    assert await watch.told("migration_failure", 0) == FIRED
    assert sink.of(RULE) == []
    migrate(database.address)
    assert await watch.told("migration_failure", 1) == OVER
    await watch.monitor.close()


async def test_errors_that_could_not_be_written_are_written_later(server: EmbeddedServer) -> None:
    server.start()
    address = Address.parse(server.dsn("watched"))
    database = Database(address, pooled=False)
    async with database.session() as session:
        await session.execute(text("TRUNCATE alert_events"))
    recorder = Recorder(address, retry_seconds=0.1)
    entry = (
        "INSERT INTO points_ledger (user_id, activity_code, source, delta_points) VALUES ('nobody', 'LEARN', 'FORM', 1)"
    )
    with pytest.raises(IntegrityError) as violated:
        async with database.session() as session:
            await session.execute(text(entry))
    server.stop("fast")
    described = describe(violated.value)
    assert described is not None
    recorder.note(described)
    assert not await recorder.flush()
    server.start()
    await recorder.close()
    async with database.session() as session:
        rows = await session.execute(text("SELECT rule, count FROM alert_events"))
    await database.dispose()
    assert rows.all() == [("foreign_key_violation", 1)]
