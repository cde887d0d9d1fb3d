"""A server that waits for the disk, the service as a process of its own, and whatever stands between them."""

import asyncio
import os
import random
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import asyncpg
from tests.faults.judge import CRON_SECRET
from tests.faults.load import REVIEWERS
from tests.faults.proxy import Proxy
from tests.kajabi.deliveries import TOKEN
from tests.support.service import Service, free_port

from elevate_api.config import Settings
from elevate_api.kit.db import Address, Database
from elevate_api.ops import migrations
from elevate_api.postgres import EmbeddedServer, scratch_dir
from elevate_api.seeds.reference import seed

DATABASE, ROLE = "faults", "elevate_app"
BOUNDS = {"STATEMENT_TIMEOUT": "4", "LOCK_TIMEOUT": "2", "TRANSACTION_TIMEOUT": "6", "POOL_TIMEOUT": "4"}
"""The service's limits, less than half the defaults: recovery is measured, waiting for a default is not."""
POOL = "10"
LAG_SECONDS = 1.0


@dataclass
class World:
    """Everything a fault can reach. `database_proxy` and `client_proxy` stand before PostgreSQL and before the API."""

    server: EmbeddedServer
    service: Service
    owner: Address
    database_proxy: Proxy
    client_proxy: Proxy
    folder: Path
    chance: random.Random
    seed: int
    notes: dict[str, Any] = field(default_factory=dict)
    runs: int = 0
    standby: EmbeddedServer = field(init=False)

    @property
    def client_url(self) -> str:
        return f"http://127.0.0.1:{self.client_proxy.port}"

    async def ask_owner(self, query: str, *arguments: object) -> Any:
        connection = await asyncpg.connect(**self.owner.driver_arguments())
        try:
            return await connection.fetchval(query, *arguments)
        finally:
            await connection.close()


@contextmanager
def ground(parent: Path | None = None, postgres: Mapping[str, str] | None = None) -> Iterator[EmbeddedServer]:
    """A migrated database with people in it. Call it in the main thread, outside any event loop."""
    with scratch_dir(parent) as folder, EmbeddedServer(folder, settings=dict(postgres or {})) as server:
        server.create_database(DATABASE)
        server.psql(f"CREATE ROLE {ROLE} LOGIN", database=DATABASE)
        owner = Address.parse(server.dsn(DATABASE))
        migrations.upgrade(owner)
        asyncio.run(_people(owner))
        yield server


async def _people(owner: Address) -> None:
    connection = await asyncpg.connect(**owner.driver_arguments())
    people = [(f"reviewer-{number}", "REVIEWER") for number in range(REVIEWERS)]
    people += [("admin", "ADMIN"), ("boss", "SUPERADMIN"), ("adjusted", "PARTICIPANT")]
    await connection.executemany("INSERT INTO users (id, handle, name, role) VALUES ($1, $1, $1, $2)", people)
    await connection.close()
    database = Database(owner, pooled=False)
    async with database.session() as session:
        await seed(session, Settings())
    await database.dispose()


def service_on(server: EmbeddedServer, folder: Path, port: int, more: Mapping[str, str] | None = None) -> Service:
    """`elevate serve`, going to its database through the proxy on `port`."""
    settings = {
        **BOUNDS,
        "MAX_CONNECTIONS": POOL,
        "CRON_SECRET": CRON_SECRET,
        "KAJABI_WEBHOOK_TOKENS": TOKEN,
        "LOG_LEVEL": "WARNING",
        "ATTACHMENT_DIR": str(folder / "evidence"),
        **(more or {}),
    }
    dsn = f"postgresql://{ROLE}@127.0.0.1:{port}/{DATABASE}?sslmode=disable"
    return Service(dsn, server.dsn(DATABASE), folder / "service.log", settings)


TINY = "200m"
"""Room for a cluster, its log of two segments and a few minutes of traffic; a ballast file takes what is left."""


@contextmanager
def tiny_disk() -> Iterator[Path]:
    """A file system in memory that can be filled. Raises OSError where mounting is refused."""
    folder = Path(mkdtemp(prefix="elevate-tiny-", dir="/tmp"))
    folder.chmod(0o755)
    done = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", f"size={TINY},mode=0755", "tmpfs", folder], check=False, capture_output=True
    )
    if done.returncode != 0:
        folder.rmdir()
        raise OSError(f"mounting is refused: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["/bin/umount", "--lazy", folder], check=True)
        folder.rmdir()


def fill(folder: Path) -> Path:
    """A file that takes all the room that is left."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    return ballast


def faketime() -> str | None:
    """The library that tells a process another time; Debian: libfaketime."""
    return next(map(str, Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)


@asynccontextmanager
async def world_on(
    server: EmbeddedServer, folder: Path, settings: Mapping[str, str] | None = None, *, number: int | None = None
) -> AsyncIterator[World]:
    """The service running on `server`, with a proxy on either side of it."""
    number = number if number is not None else int(os.environ.get("ELEVATE_FAULTS_SEED") or time.time())
    server_socket = str(server.socket_dir / ".s.PGSQL.5432")

    async def to_postgres() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(server_socket)

    database_proxy = Proxy(to_postgres)
    database_proxy.port = free_port()
    service = service_on(server, folder, database_proxy.port, settings)

    async def to_service() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", service.port)

    owner = Address.parse(server.dsn(DATABASE))
    async with database_proxy.running(), Proxy(to_service).running() as client_proxy:
        await asyncio.to_thread(service.start)
        try:
            chance = random.Random(number)  # noqa: S311 - places to cut at, no secret
            yield World(server, service, owner, database_proxy, client_proxy, folder, chance, number)
        finally:
            if service.running:
                await asyncio.to_thread(service.kill)
