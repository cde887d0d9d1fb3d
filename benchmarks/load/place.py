"""What is loaded: an embedded PostgreSQL with the demo and people, and a real `elevate serve`."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
from tests.support import tokens
from tests.support.service import Service, running_service

from elevate_api.config import Settings
from elevate_api.kit.db import Address, Database
from elevate_api.ops import migrations
from elevate_api.ops.roles import ensure_service_role
from elevate_api.postgres import EmbeddedServer, scratch_dir
from elevate_api.seeds import demo, reference

EDUCATORS, REVIEWERS, ADMINS = 2_000, 20, 3
HOURS = 6
KAJABI_TOKEN = "token-of-the-load-benchmark"  # noqa: S105
SETTINGS = {
    "KAJABI_WEBHOOK_TOKENS": KAJABI_TOKEN,
    "LOG_LEVEL": "WARNING",
    "SCHEDULER_ENABLED": "true",
    "ANALYTICS_REFRESH_SECONDS": "30",
}


@dataclass
class Place:
    service: Service
    owner: Address
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What locust needs to know."""
        return {**os.environ, "ELEVATE_LOAD": str(self.folder / "people.json"), "ELEVATE_LOAD_KAJABI": KAJABI_TOKEN}

    def processes(self) -> list[psutil.Process]:
        main = psutil.Process(self.service.pid)
        return [main, *main.children(recursive=True)]

    async def connections(self) -> int:
        connection = await asyncpg.connect(**self.owner.driver_arguments())
        try:
            found: int = await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = 'elevate_app'"
            )
            return found
        finally:
            await connection.close()


@contextmanager
def place(settings: Mapping[str, str], workers: int) -> Iterator[Place]:
    with scratch_dir() as folder, EmbeddedServer(folder) as server:
        server.create_database("load")
        owner = Address.parse(server.dsn("load"))
        asyncio.run(_role(owner))
        migrations.upgrade(owner)
        asyncio.run(_people(owner))
        (folder / "people.json").write_text(json.dumps(_tokens()), encoding="utf-8")
        service = Service(
            server.dsn("load", "elevate_app"),
            server.dsn("load"),
            folder / "service.log",
            {**SETTINGS, **settings},
            workers=workers,
        )
        with running_service(service):
            yield Place(service, owner, folder)
            if "Traceback" in (folder / "service.log").read_text(encoding="utf-8"):
                sys.stderr.write((folder / "service.log").read_text(encoding="utf-8")[-5000:])


async def _role(owner: Address) -> None:
    connection = await asyncpg.connect(**owner.driver_arguments())
    await connection.execute("CREATE ROLE elevate_app LOGIN")
    await connection.close()


async def _people(owner: Address) -> None:
    database = Database(owner, pooled=False)
    settings = Settings()
    async with database.session() as session:
        await reference.seed(session, settings)
        await demo.seed(session, settings.app.zone)
        await ensure_service_role(session)
    await database.dispose()
    connection = await asyncpg.connect(**owner.driver_arguments())
    people = [(f"load-reviewer-{number}", "REVIEWER") for number in range(REVIEWERS)]
    people += [(f"load-admin-{number}", "ADMIN") for number in range(ADMINS)]
    await connection.executemany("INSERT INTO users (id, handle, name, role) VALUES ($1, $1, $1, $2)", people)
    await connection.close()


def _tokens() -> dict[str, list[str]]:
    until = int(time.time()) + HOURS * 3600

    def of(name: str, number: int) -> list[str]:
        return [tokens.token(f"load-{name}-{one}", exp=until) for one in range(number)]

    return {
        "educators": of("educator", EDUCATORS),
        "reviewers": of("reviewer", REVIEWERS),
        "admins": of("admin", ADMINS),
    }
