import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.support.cluster import SEEDED, SERVICE, Administrator, Cluster
from tests.support.service import Service, running_service

from elevate_api.kit.db import Address

SECRETS = {
    "CRON_SECRET": "secret-of-the-edge-run",
    "KAJABI_WEBHOOK_SECRET": "kajabi-secret-of-the-edge-run",
    "KAJABI_WEBHOOK_TOKENS": "kajabi-token-of-the-edge-run",
    "CLERK_WEBHOOK_SECRET": "whsec_c2VjcmV0LW9mLXRoZS1lZGdlLXJ1bg==",
}
ROLES = {"teacher": "PARTICIPANT", "reviewer": "REVIEWER", "admin": "ADMIN"}


@pytest.fixture(scope="module")
def service(
    cluster: Cluster, administrator: Administrator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """`elevate serve`, on a port of its own; `teacher`, `reviewer` and `admin` exist."""
    name = administrator.clone(SEEDED)
    log: Path = tmp_path_factory.mktemp("edge") / "service.log"
    asyncio.run(_people(cluster.address(name)))
    with running_service(Service(cluster.dsn(name, SERVICE), cluster.dsn(name), log, SECRETS)) as service:
        yield service
        assert service.running
        said = log.read_text()
        assert "unhandled_error" not in said
        assert "Exception in ASGI application" not in said
    administrator.drop(name)


async def _people(owner: Address) -> None:
    connection = await asyncpg.connect(**owner.driver_arguments())
    await connection.executemany("INSERT INTO users (id, handle, role) VALUES ($1, $1, $2)", list(ROLES.items()))
    await connection.close()
