"""Fixtures for everybody. The parts are in tests/support; each test has a committed database of its own."""

import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import pytest
import structlog
from fastapi import FastAPI
from tests.support import tokens
from tests.support.cluster import BARE, OWNER, SEEDED, SERVICE, SUPERUSER, Administrator, Cluster, running_cluster
from tests.support.factories import Factory
from tests.support.pooler import running_pooler

from elevate_api.config import (
    AppSettings,
    ClerkSettings,
    DatabaseSettings,
    MachineSettings,
    MemorySettings,
    RateLimitSettings,
    SchedulerSettings,
    SeedSettings,
    Settings,
    setting_names,
)
from elevate_api.kit.bounds import Limits
from elevate_api.kit.db import Address, Database

if TYPE_CHECKING:
    from elevate_api.users.models import User

C = TypeVar("C", bound=httpx.AsyncClient)
CLUSTER = pytest.StashKey[Cluster]()
LIMITED = ("RATE_LIMIT_ANONYMOUS", "RATE_LIMIT_READS", "RATE_LIMIT_WRITES")
CRON_SECRET = "cron-secret-of-the-test-run"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes minutes is left out, not reported as skipped, unless everything is to run (scripts/test --all)."""
    if os.environ.get("ELEVATE_TEST_ALL"):
        return
    slow = [item for item in items if item.get_closest_marker("slow") is not None]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


# --- the server: one a run ------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pooler", action="store_true", help="the service goes through PgBouncer in transaction mode")


@contextmanager
def _cluster_of_the_run(config: pytest.Config) -> Iterator[Cluster]:
    with running_cluster() as cluster, ExitStack() as stack:
        pooled = config.getoption("--pooler")
        yield replace(cluster, pooler_dir=stack.enter_context(running_pooler(cluster))) if pooled else cluster


def pytest_configure(config: pytest.Config) -> None:
    """With xdist the controller starts the server before its workers; without, the first test that needs it does."""
    distributing = config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput")
    if distributing and not config.option.collectonly:
        stack = ExitStack()
        config.add_cleanup(stack.close)
        config.stash[CLUSTER] = stack.enter_context(_cluster_of_the_run(config))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist, in the controller, for each worker."""
    node.workerinput["cluster"] = node.config.stash[CLUSTER].as_dict()


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The run's server: `dsn(database, user)`, `address(...)`, `tool("pg_dump")`."""
    given = getattr(request.config, "workerinput", None)
    if given is not None:
        yield Cluster(**given["cluster"])
        return
    with _cluster_of_the_run(request.config) as found:
        yield found


@pytest.fixture(scope="session")
def administrator(cluster: Cluster) -> Iterator[Administrator]:
    """Clones and drops databases as the superuser."""
    administrator = Administrator(cluster)
    yield administrator
    administrator.close()


# --- logs: as they were ---------------------------------------------------------------------------------------------

_LOGGERS = ("", "uvicorn", "uvicorn.error", "uvicorn.access", "sqlalchemy", "apscheduler", "alembic")


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A test that sets up logging, or a server that it starts, must not decide what the next test can see."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    kept = [(logger, logger.handlers[:], logger.level, logger.propagate, logger.disabled) for logger in loggers]
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    for logger, handlers, level, propagate, disabled in kept:
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate, logger.disabled = propagate, disabled


# --- databases: one a test ------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own DATABASE_URL must not reach a test."""
    for names in setting_names():
        for name in names:
            monkeypatch.delenv(name, raising=False)


@pytest.fixture
def database_name(administrator: Administrator) -> Iterator[str]:
    """A committed database with migrations and reference data, dropped afterwards."""
    name = administrator.clone(SEEDED)
    yield name
    administrator.drop(name)


@pytest.fixture
def empty_database(administrator: Administrator) -> Iterator[str]:
    """Migrated, without a row of reference data: what the manual's INSERTs find."""
    name = administrator.clone(BARE)
    yield name
    administrator.drop(name)


@pytest.fixture
def blank_database(administrator: Administrator) -> Iterator[str]:
    """Nothing in it at all."""
    name = administrator.create()
    yield name
    administrator.drop(name)


@pytest.fixture
def app_dsn(cluster: Cluster, database_name: str) -> str:
    """The service's address; with --pooler that of PgBouncer, where a session is nobody's own."""
    return cluster.service_dsn(database_name)


@pytest.fixture
def session_dsn(cluster: Cluster, database_name: str) -> str:
    """The service's role on a session of its own, for what a pooler would hide: a pid, an application's name."""
    return cluster.dsn(database_name, SERVICE)


@pytest.fixture
def owner_dsn(cluster: Cluster, database_name: str) -> str:
    return cluster.dsn(database_name, OWNER)


@pytest.fixture
def superuser_dsn(cluster: Cluster, database_name: str) -> str:
    return cluster.dsn(database_name, SUPERUSER)


@pytest.fixture
async def database(app_dsn: str) -> AsyncIterator[Database]:
    """What the service has: the role elevate_app, a pool of 20 that opens connections as they are needed."""
    database = Database(Address.parse(app_dsn), pool_size=20, limits=Limits(transaction=60))
    yield database
    await database.dispose()


@pytest.fixture
async def owner(owner_dsn: str) -> AsyncIterator[Database]:
    """The owner of the tables, who migrates and restores; no superuser. A connection a session."""
    database = Database(Address.parse(owner_dsn), pooled=False)
    yield database
    await database.dispose()


# --- rows -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def factory(owner: Database) -> Factory:
    return Factory(owner)


@pytest.fixture
def make_user(factory: Factory) -> Callable[..., Awaitable["User"]]:
    """`await make_user(role="REVIEWER", cohort="2024A")`."""
    return factory.user


@pytest.fixture
def make_submission(factory: Factory) -> Callable[..., Awaitable[Any]]:
    """`await make_submission(user, "AMPLIFY", "APPROVED", payload={"peersTrained": 3}, created_at=...)`."""
    return factory.submission


@pytest.fixture
def make_entry(factory: Factory) -> Callable[..., Awaitable[Any]]:
    """`await make_entry(user, 20, "LEARN", created_at=...)`."""
    return factory.entry


# --- the service ----------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(app_dsn: str, owner_dsn: str) -> Settings:
    """A test's settings: nothing from the environment, its own database, no limits in the way, no scheduler.

    Nothing is answered from memory either: tests write with SQL and read at once (tests/leaderboards has a memory).
    """
    return Settings(
        app=AppSettings.model_validate({"ENVIRONMENT": "test", "PROGRAM_TIMEZONE": "Asia/Jakarta"}),
        database=DatabaseSettings.model_validate({"DATABASE_URL": app_dsn, "DIRECT_URL": owner_dsn}),
        clerk=ClerkSettings.model_validate({"CLERK_ISSUER": tokens.ISSUER, "CLERK_JWT_KEY": tokens.public_pem()}),
        machines=MachineSettings.model_validate({"CRON_SECRET": CRON_SECRET}),
        scheduler=SchedulerSettings.model_validate({"SCHEDULER_ENABLED": False}),
        rate_limits=RateLimitSettings.model_validate(dict.fromkeys(LIMITED, "100000/minute")),
        memory=MemorySettings.model_validate({"PUBLIC_MEMORY_MB": 0}),
        seed=SeedSettings.model_validate({}),
    )


@pytest.fixture
async def app(settings: Settings, database: Database) -> AsyncIterator[FastAPI]:
    """The whole service, started, on this test's database."""
    from elevate_api.app import create_app  # noqa: PLC0415 - tests of the parts below need no service

    app = create_app(settings, database)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Nobody signed in. An unhandled error in the service surfaces in the test."""
    async with _connect(app, httpx.AsyncClient) as client:
        yield client


class Caller(httpx.AsyncClient):
    """A client that is signed in as `user`."""

    user: "User"


@pytest.fixture
async def as_user(app: FastAPI, factory: Factory) -> AsyncIterator[Callable[..., Awaitable[Caller]]]:
    """`caller = await as_user(role="REVIEWER")` or `as_user(user=row)`; then `await caller.get(...)`, `caller.user`."""
    async with AsyncExitStack() as stack:

        async def sign_in(role: str = "PARTICIPANT", *, user: "User | None" = None, **fields: Any) -> Caller:
            caller = await stack.enter_async_context(_connect(app, Caller))
            caller.user = user or await factory.user(role, **fields)
            caller.headers.update(tokens.bearer(caller.user.id))
            return caller

        yield sign_in


@pytest.fixture
def bearer() -> Callable[..., dict[str, str]]:
    """`headers=bearer("user_1", email="a@b.test")`: any claim may be given, None leaves one out."""
    return tokens.bearer


def _connect(app: FastAPI, kind: type[C]) -> C:
    return kind(transport=httpx.ASGITransport(app), base_url="http://test")
