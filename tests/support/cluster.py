"""One PostgreSQL for a whole test run, and databases cloned from a template that the real migrations made.

The server belongs to pytest's own process (with xdist: the controller), is started from its main thread, and ends with
it however it ends. Workers get its coordinates. A clone costs some tens of milliseconds.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from os import getpid
from pathlib import Path
from typing import Any, Self, TypeVar

import asyncpg

from elevate_api.config import AppSettings, SeedSettings, Settings
from elevate_api.kit.db import Address, Database
from elevate_api.ops import migrations
from elevate_api.postgres import Binaries, EmbeddedServer, ephemeral
from elevate_api.seeds import reference

T = TypeVar("T")

SUPERUSER, OWNER, SERVICE = "postgres", "elevate", "elevate_app"
ANONYMOUS = ("anon", "authenticated")
POOLER_PORT = 6432
BARE, SEEDED = "template_bare", "template_seeded"
"""Migrated and empty, as the manual's INSERTs find it; migrated with the reference data."""

HOSTED = [
    *(f"CREATE ROLE {role} NOLOGIN" for role in ANONYMOUS),
    f"CREATE ROLE {SERVICE} LOGIN",
]
# A hosted Data API grants its roles everything that appears in public (shared/integrations.md): so does this cluster.
HOSTED_GRANTS = [
    f"GRANT USAGE ON SCHEMA public TO {', '.join(ANONYMOUS)}",
    *(
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON {kind} TO {', '.join(ANONYMOUS)}"
        for kind in ("TABLES", "FUNCTIONS", "SEQUENCES")
    ),
]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the server is. Plain values, so that xdist can hand it to its workers."""

    socket_dir: str
    bindir: str
    version: str
    pooler_dir: str | None = None
    """Where a PgBouncer listens that the service goes through; None: it goes to the server."""

    @classmethod
    def of(cls, server: EmbeddedServer) -> Self:
        return cls(str(server.socket_dir), str(server.binaries.bindir), server.binaries.version)

    def as_dict(self) -> dict[str, str]:
        return asdict(self)

    def dsn(self, database: str, user: str = OWNER) -> str:
        return f"postgresql://{user}@/{database}?host={self.socket_dir}&port=5432"

    def service_dsn(self, database: str) -> str:
        """As the service goes: through the pooler where there is one."""
        if self.pooler_dir is None:
            return self.dsn(database, SERVICE)
        return f"postgresql://{SERVICE}@/{database}?host={self.pooler_dir}&port={POOLER_PORT}&pgbouncer=true"

    def address(self, database: str, user: str = OWNER) -> Address:
        return Address.parse(self.dsn(database, user))

    def tool(self, name: str) -> Path:
        """A client program of the same version, such as pg_dump."""
        return Path(self.bindir) / name


class Administrator:
    """One superuser connection on a loop of its own thread, so that synchronous tests can have databases as well."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="administrator", daemon=True)
        self._thread.start()
        self._connection = self._wait(asyncpg.connect(cluster.dsn("postgres", SUPERUSER)))
        self._sweeper = self._wait(asyncpg.connect(cluster.dsn("postgres", SUPERUSER)))
        self._drops: list[Future[str]] = []
        self._turn = asyncio.Lock()
        self._numbers = count(1)

    def clone(self, template: str) -> str:
        """A database of its own for one test; the pid keeps the workers' names apart."""
        name = f"test_{getpid()}_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template}")
        return name

    def create(self) -> str:
        return self.clone("template1")

    def drop(self, name: str) -> None:
        """In the background: a drop waits for a checkpoint, and the next test need not."""
        self._drops.append(asyncio.run_coroutine_threadsafe(self._drop(name), self._loop))

    async def _drop(self, name: str) -> str:
        async with self._turn:
            return str(await self._sweeper.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))

    def execute(self, statement: str) -> None:
        self._wait(self._connection.execute(statement))

    def close(self) -> None:
        for drop in self._drops:
            drop.result(timeout=60)
        for connection in (self._sweeper, self._connection):
            self._wait(connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=60)


@contextmanager
def running_cluster(binaries: Binaries | None = None) -> Iterator[Cluster]:
    """A server with roles and both templates. Call it in the main thread: the server ends with the calling thread."""
    with ephemeral(binaries=binaries) as server:
        cluster = Cluster.of(server)
        for statement in HOSTED:
            server.psql(statement)
        _make_templates(server, cluster)
        yield cluster


def migrate(address: Address, revision: str = "head") -> None:
    """The real migrations, from wherever; they run an event loop of their own."""
    outside_the_loop(lambda: migrations.upgrade(address, revision))


def outside_the_loop(work: Callable[[], T]) -> T:
    """Run what calls asyncio.run in a thread: pytest-asyncio has a loop of its own in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def _make_templates(server: EmbeddedServer, cluster: Cluster) -> None:
    server.create_database(BARE)
    for statement in HOSTED_GRANTS:
        server.psql(statement, database=BARE, user=OWNER)
    migrate(cluster.address(BARE))
    server.create_database(SEEDED, BARE)
    outside_the_loop(lambda: asyncio.run(_seed_at(cluster.address(SEEDED))))


async def _seed_at(address: Address) -> None:
    database = Database(address, pooled=False)
    await seed(database)
    await database.dispose()


async def seed(database: Database) -> None:
    """The reference data, with the settings' defaults whatever the environment says."""
    settings = Settings(app=AppSettings.model_construct(), seed=SeedSettings.model_construct())
    async with database.session() as session:
        await reference.seed(session, settings)
