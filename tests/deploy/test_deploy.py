"""Deploys as the operator types them, against the service itself."""

import asyncio
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import text
from tests.support.cluster import Cluster
from tests.support.factories import Factory

from elevate_api.app import create_app
from elevate_api.backups.store import Store
from elevate_api.config import Settings
from elevate_api.deploy import database, procedures
from elevate_api.deploy.remote import NotWell, Service
from elevate_api.deploy.steps import Step, StepFailed, perform
from elevate_api.kit.db import Address, Database
from elevate_api.ops import migrations

ROOT = Path(__file__).parents[2]


@pytest.fixture
def address(owner_dsn: str) -> Address:
    return Address.parse(owner_dsn)


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The service on a port of its own."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


def standing_in(answer: Callable[[httpx.Request], httpx.Response]) -> Service:
    return Service("http://service.test", client=lambda: httpx.Client(transport=httpx.MockTransport(answer)))


def healthy(revision: str | None = None, status: str = "healthy") -> Service:
    body = {"status": status, "migrations": {"current": revision or migrations.head()}, "checks": []}
    return standing_in(lambda _: httpx.Response(200, json=body))


async def quietly(build: Callable[[], list[Step]]) -> dict[str, str]:
    """As a command runs it: without a loop of its own around it."""
    return await asyncio.to_thread(lambda: perform(build(), lambda _: None))


def test_a_deploy_verifies_a_running_service(settings: Settings) -> None:
    said: list[str] = []
    with served(create_app(settings)) as url:
        perform(procedures.verify(Service(url, patience=20)), said.append)
    assert [line.split("] ")[1].split(":")[0] for line in said] == [
        "alive", "ready", "health", "public reads", "guards", "errors",
    ]  # fmt: skip


async def test_post_migrates_refreshes_and_warms(blank_database: str, cluster: Cluster, settings: Settings) -> None:
    blank = cluster.address(blank_database)
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json={"status": "healthy", "migrations": {"current": migrations.head()}})

    told = await quietly(lambda: procedures.post(blank, standing_in(answer)))
    assert told["migrate"].endswith(f"at {migrations.head()}")
    assert told["refresh"] == "6 views"
    assert asked[0] == "/api/health/database"
    assert {"/api/leaderboard", "/api/stats"} <= set(asked)


async def test_pre_passes_on_a_sound_database_and_changes_nothing(address: Address, owner: Database) -> None:
    told = await quietly(lambda: procedures.pre(address, healthy()))
    assert list(told) == ["connection", "migrations", "schema", "integrity", "staging"]
    assert "skipped" in (await quietly(lambda: procedures.pre(address, None)))["staging"]
    async with owner.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM job_runs")) == 0


@pytest.mark.parametrize(
    ("damage", "step", "words"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "migrations", "does not know"),
        ("DROP INDEX submissions_one_active_learn", "schema", "submissions_one_active_learn"),
        ("ALTER TABLE users DISABLE TRIGGER users_touch", "schema", "users_touch"),
    ],
)
async def test_pre_stops_at_what_is_wrong_and_says_the_way_back(
    address: Address, owner: Database, damage: str, step: str, words: str
) -> None:
    async with owner.session() as session:
        await session.execute(text(damage))
    with pytest.raises(StepFailed, match="Way back: nothing was changed") as caught:
        await quietly(lambda: procedures.pre(address, healthy()))
    assert caught.value.step == step
    assert words in str(caught.value)


async def test_pre_stops_at_points_that_do_not_agree(address: Address, factory: Factory) -> None:
    await factory.submission(None, "LEARN", "APPROVED", points_awarded=20)
    with pytest.raises(StepFailed, match="1 differences between ledger and causes: ledger missing submission:"):
        await quietly(lambda: procedures.pre(address, healthy()))


async def test_pre_stops_when_staging_is_unwell(address: Address) -> None:
    for staging, words in (
        (standing_in(lambda _: httpx.Response(503, json={"status": "unhealthy"})), "answered 503"),
        (standing_in(lambda _: httpx.Response(200, text="<html>")), "not this service"),
        (Service("http://127.0.0.1:9"), "does not answer"),
    ):
        with pytest.raises(StepFailed, match=words) as caught:
            await quietly(partial(procedures.pre, address, staging))
        assert caught.value.step == "staging"


async def test_promote_backs_up_and_rehearses_before_production_is_touched(
    address: Address, owner: Database, tmp_path: Path, factory: Factory
) -> None:
    await factory.user()
    store = Store(tmp_path)
    told = await quietly(lambda: procedures.promote(address, store, healthy(), None))
    assert list(told) == [
        "staging", "connection", "migrations", "schema", "integrity", "back up production",
        "try the migration on a copy", "migrate", "refresh",
    ]  # fmt: skip
    [made] = store.list()
    assert told["back up production"] == made.id
    assert made.snapshot.tables["users"].rows == 1


async def test_promote_stops_before_the_backup_when_staging_is_behind(address: Address, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="stands at migration 0001") as caught:
        await quietly(lambda: procedures.promote(address, Store(tmp_path), healthy("0001"), None))
    assert caught.value.step == "staging"
    assert Store(tmp_path).list() == []


async def test_a_migration_that_fails_on_the_copy_never_reaches_production(
    address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Database
) -> None:
    def fail(_: Address) -> None:
        raise RuntimeError("column of production breaks it")

    monkeypatch.setattr(migrations, "upgrade", fail)
    with pytest.raises(StepFailed, match="nothing was changed") as caught:
        await quietly(lambda: procedures.promote(address, Store(tmp_path), healthy(), None))
    assert caught.value.step == "try the migration on a copy"
    async with owner.session() as session:
        left = await session.scalar(text("SELECT count(*) FROM pg_database WHERE datname LIKE 'elevate_rehearsal%'"))
    assert left == 0


def test_health_is_waited_for_while_patience_lasts() -> None:
    answers = iter([503, 503, 200])
    body = {"status": "degraded", "migrations": {"current": "1"}, "checks": [{"name": "views", "status": "warn"}]}
    service = Service(
        "http://service.test",
        patience=20,
        client=lambda: httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(next(answers), json=body))),
    )
    assert service.health() == "degraded, migration 1; look at: views"
    with pytest.raises(NotWell):
        Service("http://127.0.0.1:9", patience=0.1).health()


def test_a_public_read_that_fails_is_named() -> None:
    with pytest.raises(NotWell, match="/api/stats answered 500"):
        standing_in(lambda request: httpx.Response(500 if request.url.path == "/api/stats" else 200)).warm()


def test_a_standby_is_not_migrated(monkeypatch: pytest.MonkeyPatch, address: Address) -> None:
    monkeypatch.setattr(database, "_with", lambda *_: (170000, "17.0", True))
    with pytest.raises(Exception, match="standby"):
        database.connection(address)


@pytest.mark.parametrize(
    ("script", "arguments"),
    [("pre-deploy-db.sh", []), ("verify-production.sh", ["http://127.0.0.1:9", "--wait", "0"])],
)
def test_the_manuals_scripts_run_and_fail_as_they_should(
    script: str, arguments: list[str], tmp_path: Path, owner_dsn: str
) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATABASE_URL": owner_dsn}
    done = subprocess.run(
        [ROOT / "scripts" / script, *arguments],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if script == "pre-deploy-db.sh":
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Pre-deployment checks passed.")
    else:
        assert done.returncode == 1
        assert "does not answer" in done.stderr
        assert "Way back" in done.stderr


def test_the_script_after_a_deploy_is_its_command() -> None:
    done = subprocess.run(
        [ROOT / "scripts" / "post-deploy-db.sh", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "Usage: elevate deploy post" in done.stdout
