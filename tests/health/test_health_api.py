import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from tests.support.cluster import Administrator, Cluster
from tests.support.factories import Factory

from elevate_api.analytics import service as analytics
from elevate_api.analytics.queries import VIEWS
from elevate_api.health.service import HealthMonitor
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database
from elevate_api.ops import migrations
from elevate_api.ops.migrations import MigrationState

PATHS = ("/health/live", "/health/ready", "/health/database", "/api/health/database")
Json = dict[str, Any]


async def read(client: httpx.AsyncClient, status: int = 200) -> Json:
    response = await client.get("/health/database")
    assert response.status_code == status, response.text
    answer: Json = response.json()
    return answer


def checks(answer: Json) -> dict[str, str]:
    return {check["name"]: check["status"] for check in answer["checks"]}


@pytest.mark.parametrize("path", PATHS)
async def test_a_checker_may_send_get_or_head(client: httpx.AsyncClient, path: str) -> None:
    got, headed = await client.get(path), await client.head(path)

    assert (got.status_code, headed.status_code) == (200, 200)
    assert (headed.content, headed.headers["content-type"]) == (b"", "application/json")
    assert headed.headers["content-length"] == str(len(got.content))
    assert got.headers["cache-control"] == "no-store"


async def test_the_answer_has_everything_the_contract_names(
    client: httpx.AsyncClient, database: Database, factory: Factory
) -> None:
    await factory.submission()
    await factory.submission(created_at=utcnow() - timedelta(hours=25))
    await analytics.refresh(database, "test")

    answer = await read(client)

    assert answer["status"] == "healthy", answer["checks"]
    assert set(answer) == {
        "status", "views", "recentSubmissions", "database", "migrations", "pool", "scheduler", "checks", "checkedAt",
    }  # fmt: skip
    assert [view["name"] for view in answer["views"]] == list(VIEWS)
    for view in answer["views"]:
        assert set(view) == {"name", "sizeBytes", "size", "rows", "ageSeconds", "lastRefreshOk"}
        assert view["sizeBytes"] > 0
        assert view["size"].endswith(("bytes", "kB", "MB"))
        assert 0 <= view["ageSeconds"] < 60
        assert view["lastRefreshOk"] is True
    assert answer["recentSubmissions"] == 1
    assert answer["database"]["version"][:2].isdigit()
    assert answer["database"]["sizeBytes"] > 1_000_000
    assert 0 < answer["database"]["latencySeconds"] < 2
    assert answer["migrations"]["upToDate"]
    assert answer["migrations"]["current"] == answer["migrations"]["head"]
    assert answer["pool"]["size"] == 20
    assert answer["scheduler"] == {"running": False, "lastTickAt": None}
    assert set(checks(answer).values()) == {"pass"}


async def test_views_that_were_never_refreshed_degrade(client: httpx.AsyncClient) -> None:
    answer = await read(client)

    assert (answer["status"], checks(answer)["views"]) == ("degraded", "warn")


async def test_a_missing_view_degrades(client: httpx.AsyncClient, owner: Database, database: Database) -> None:
    await analytics.refresh(database, "test")
    async with owner.session() as session:
        await session.execute(text("DROP MATERIALIZED VIEW cohort_metrics"))

    answer = await read(client)

    assert answer["status"] == "degraded"
    (missing,) = [view for view in answer["views"] if view["sizeBytes"] is None]
    assert missing["name"] == "cohort_metrics"


async def test_a_table_that_is_locked_degrades_and_the_rest_is_told(
    client: httpx.AsyncClient, owner: Database, database: Database
) -> None:
    await analytics.refresh(database, "test")
    async with owner.session() as session:
        await session.execute(text("LOCK TABLE submissions"))
        answer = await read(client)

    assert (answer["status"], answer["recentSubmissions"]) == ("degraded", None)
    assert checks(answer)["figures"] == "warn"
    assert answer["views"][0]["sizeBytes"] > 0


async def test_a_full_pool_is_reported_and_stops_no_probe(
    database: Database,
) -> None:
    await analytics.refresh(database, "test")
    small = Database(database.address, pool_size=5)
    monitor = HealthMonitor(small, None, stale_seconds=1800)
    async with AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(small.engine.connect())
        status, answer = await monitor.report()
        document = answer.model_dump(mode="json")
        await monitor.close()
    await small.dispose()

    assert (status, document["status"]) == (200, "degraded")
    assert document["pool"] == {"size": 5, "inUse": 5, "utilization": 1.0}
    assert checks(document)["pool"] == "warn"


@pytest.mark.parametrize(
    ("revision", "ready", "status"), [("0000", 503, "degraded"), ("9999", 200, "degraded"), (None, 503, "degraded")]
)
async def test_traffic_may_come_when_the_database_is_at_head_or_ahead(
    client: httpx.AsyncClient, owner: Database, database: Database, revision: str | None, ready: int, status: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    known: dict[str | None, tuple[str, ...]] = {None: ("0001",), "0000": ("0001",), "9999": ()}
    monkeypatch.setattr(
        migrations, "state_of",
        lambda current: MigrationState(current, "0001", known[current], ahead=current == "9999"),
    )  # fmt: skip
    await analytics.refresh(database, "test")
    async with owner.session() as session:
        await session.execute(text("DELETE FROM alembic_version"))
        if revision:
            await session.execute(text("INSERT INTO alembic_version VALUES (:r)"), {"r": revision})

    answer = await read(client)
    response = await client.get("/health/ready")

    assert answer["migrations"] == {"current": revision, "head": "0001", "upToDate": False}
    assert (answer["status"], checks(answer)["migrations"]) == (status, "warn")
    assert (response.status_code, response.json()["status"]) == (ready, "ready" if ready == 200 else "not ready")


async def test_a_database_without_migrations_is_reached_but_not_ready(cluster: Cluster, blank_database: str) -> None:
    blank = Database(cluster.address(blank_database), pooled=False)
    monitor = HealthMonitor(blank, None, stale_seconds=1800)
    status, answer = await monitor.report()
    ready, _ = await monitor.readiness()
    await monitor.close()

    assert (status, answer.status, ready) == (200, "degraded", 503)


async def test_answers_are_kept_for_a_second_and_one_look_serves_everybody(
    app: FastAPI, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = app.state.health._probe
    looks = 0
    look = probe.look

    async def counted() -> Any:
        nonlocal looks
        looks += 1
        return await look()

    monkeypatch.setattr(probe, "look", counted)
    answers = await asyncio.gather(*(read(client) for _ in range(20)))

    assert looks == 1
    assert len({answer["checkedAt"] for answer in answers}) == 1
    await read(client)
    assert looks == 1
    app.state.health._looked_at -= 1
    await read(client)
    assert looks == 2


async def test_the_probe_keeps_one_connection(app: FastAPI, client: httpx.AsyncClient, owner: Database) -> None:
    statement = text(
        "SELECT array_agg(pid) FROM pg_stat_activity WHERE application_name = 'elevate-health'"
        " AND datname = current_database()"
    )
    seen = set()
    for _ in range(3):
        await read(client)
        app.state.health._looked_at -= 1
        async with owner.session() as session:
            seen.add(tuple(await session.scalar(statement) or ()))

    assert len(seen) == 1
    assert len(seen.pop()) == 1


async def test_a_connection_that_was_cut_is_replaced_within_the_same_look(
    app: FastAPI, client: httpx.AsyncClient, administrator: Administrator
) -> None:
    await read(client)
    administrator.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'elevate-health'"
    )
    app.state.health._looked_at -= 1

    await read(client)
