"""PostgreSQL 15 to 18: every server found on this machine migrates, keeps the rules, and refreshes."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from tests.database.test_migrations import dump
from tests.support.cluster import SERVICE, Cluster, migrate, outside_the_loop, seed
from tests.support.sql import Connection, add_person, approve, award, refused, submit
from tests.support.sums import STAGES

from elevate_api.kit.db import Database
from elevate_api.ops import migrations
from elevate_api.ops.roles import ensure_service_role
from elevate_api.ops.schema_check import differences, open_doors
from elevate_api.postgres import Binaries, EmbeddedServer, binaries, ephemeral


def servers() -> list[Binaries]:
    """The wheels' and the system's, one of each version."""
    refused: list[str] = []
    found = (binaries._tried(candidate, refused) for candidate in binaries._candidates())
    return list({one.version: one for one in found if one is not None}.values())


@pytest.fixture(scope="module", params=servers(), ids=lambda found: f"{found.source}-{found.version}")
def server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    with ephemeral(binaries=request.param) as server:
        server.create_database("product")
        yield server


@pytest.fixture
async def service(server: EmbeddedServer) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(server.dsn("product", SERVICE))
    yield connection
    await connection.close()


def test_it_migrates_up_down_and_up_and_takes_the_service_on_afterwards(server: EmbeddedServer) -> None:
    """No role of the service yet: it is made on request, perhaps long after the tables."""
    cluster = Cluster.of(server)
    address = cluster.address("product")
    migrate(address)
    first = dump(cluster, address)
    outside_the_loop(lambda: migrations.downgrade(address, "base"))
    migrate(address)
    assert dump(cluster, address) == first
    assert "elevate_app" not in "\n".join(first)

    async def open_to_the_service() -> list[str]:
        database = Database(address, pooled=False)
        async with database.session() as session:
            assert await ensure_service_role(session)
        await seed(database)
        async with database.engine.connect() as connection:
            found = await differences(connection) + await open_doors(connection)
        await database.dispose()
        return found

    assert outside_the_loop(lambda: asyncio.run(open_to_the_service())) == []


async def test_the_services_role_has_every_time_limit_that_this_version_knows_and_the_owner_none(
    server: EmbeddedServer, service: Connection
) -> None:
    """Behind a transaction pooler they are all that bounds a transaction on the server."""
    limits = {"statement_timeout": "10s", "lock_timeout": "3s", "idle_in_transaction_session_timeout": "20s"}
    if server.binaries.major >= 17:
        limits["transaction_timeout"] = "20s"
    owner = await asyncpg.connect(server.dsn("product"))
    for name, value in limits.items():
        assert await service.fetchval(f"SHOW {name}") == value
        assert await owner.fetchval(f"SHOW {name}") == "0"
    await owner.close()


async def test_the_service_writes_a_row_of_each_kind(service: Connection) -> None:
    await add_person(service, "ayu")
    await add_person(service, "rina", "ADMIN")
    for stage in STAGES:
        await approve(service, await submit(service, "ayu", stage), "rina", 20)
        await award(service, "ayu", 20, stage, external_event_id=f"e-{stage}")
    adjustment = "('ayu', 'LEARN', 5, 'x', 'rina')"
    for statement in (
        f"INSERT INTO point_adjustments (user_id, activity_code, delta_points, reason, created_by) VALUES {adjustment}",
        "INSERT INTO earned_badges (user_id, badge_code) VALUES ('ayu', 'STARTER')",
        "INSERT INTO kajabi_events (body, body_sha256) VALUES ('', sha256(''))",
        "INSERT INTO audit_log (action, target_type, target_id) VALUES ('x', 'user', 'ayu')",
        "INSERT INTO job_runs (name, triggered_by) VALUES ('x', 'test')",
    ):
        assert await service.execute(statement) == "INSERT 0 1"
    assert await service.fetchval("SELECT count(DISTINCT id) FROM submissions") == len(STAGES)


async def test_it_keeps_the_rules(service: Connection) -> None:
    with refused("submissions_amplify_quota"):
        await submit(service, "ayu", "AMPLIFY", payload={"peersTrained": 50})
    with refused("submissions_one_active_learn"):
        await submit(service, "ayu", "LEARN")
    with refused("submissions_workflow"):
        await service.execute("UPDATE submissions SET status = 'PENDING'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute("DELETE FROM points_ledger")
    with refused("points_ledger_external_event_id_key"):
        await award(service, "ayu", 20, external_event_id="e-LEARN")


async def test_it_refreshes_every_view(service: Connection) -> None:
    for _ in range(2):
        outcomes = await service.fetch("SELECT * FROM refresh_all_analytics()")
        assert [outcome["error"] for outcome in outcomes] == [None] * 6
    assert await service.fetchval("SELECT total_points FROM leaderboard_totals") == 100
    summary = await service.fetch("SELECT total_points FROM get_user_point_summary('ayu')")
    assert [row[0] for row in summary] == [20] * 5


async def test_ids_are_version_7_and_in_order(service: Connection) -> None:
    rows = await service.fetch("SELECT uuid_v7() AS id, pg_sleep(0.002) FROM generate_series(1, 20)")
    ids = [row["id"] for row in rows]
    assert {found.version for found in ids} == {7}
    assert ids == sorted(ids)
    assert len({found.int & 0xFFFFFFFF for found in ids}) == 20
