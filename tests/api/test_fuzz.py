"""Every route of the document, attacked over a real socket with input that fits the document and input that does not.

An answer of 500, one that the document does not name, or one whose body or headers break it fails the test.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import positive_data_acceptance
from tests.api.test_guards import HIDDEN, TABLE
from tests.support import tokens
from tests.support.cluster import SEEDED, SERVICE, Administrator, Cluster
from tests.support.service import Service, running_service

from elevate_api.kit.db import Address

load_all_checks()
ALL = bool(os.environ.get("ELEVATE_TEST_ALL"))
EXAMPLES = 200 if ALL else 10
SEED = int(os.environ.get("ELEVATE_FUZZ_SEED") or os.environ.get("GITHUB_RUN_NUMBER") or 0)
"""Whose turn it is beside the superadmin's; a failing test has the callers in its name."""
ANONYMOUS, CHIEF = "anonymous", "superadmin"
ROLES = {"teacher": "PARTICIPANT", "reviewer": "REVIEWER", "admin": "ADMIN", CHIEF: "SUPERADMIN"}
TURNS = (ANONYMOUS, "teacher", "reviewer", "admin")
SECRETS = {"CRON_SECRET": "secret-of-the-fuzz-run", "METRICS_TOKEN": "token-of-the-fuzz-run"}
ENDLESS = ("GET", "/api/leaderboard/stream")
"""Its answer has no end to hold against a schema; tests/leaderboards/test_live_board.py reads its events."""
OPERATIONS = [
    operation for operation in TABLE if operation[0] != "HEAD" and operation not in HIDDEN and operation != ENDLESS
]


@pytest.fixture(scope="module")
def service(
    cluster: Cluster, administrator: Administrator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    name = administrator.clone(SEEDED)
    log: Path = tmp_path_factory.mktemp("fuzz") / "service.log"
    with running_service(Service(cluster.dsn(name, SERVICE), cluster.dsn(name), log, SECRETS)) as service:
        for caller in ROLES:
            assert httpx.get(f"{service.url}/api/me", headers=headers_of(caller)).status_code == httpx.codes.OK
        asyncio.run(promote(cluster.address(name)))
        yield service
    administrator.drop(name)


async def promote(owner: Address) -> None:
    connection = await asyncpg.connect(**owner.driver_arguments())
    await connection.executemany("UPDATE users SET role = $2 WHERE id = $1", list(ROLES.items()))
    await connection.close()


def headers_of(caller: str) -> dict[str, str]:
    return {} if caller == ANONYMOUS else tokens.bearer(caller)


def turns() -> Iterator[Any]:
    """The superadmin, who gets furthest, and one of the others in turn; at full length everybody."""
    for number, (method, path) in enumerate(OPERATIONS):
        callers = (*TURNS, CHIEF) if ALL else (TURNS[(number + SEED) % len(TURNS)], CHIEF)
        yield pytest.param(method, path, callers, id=f"{method}-{path}-{'+'.join(callers)}")


@pytest.fixture(scope="module")
def document(service: Service) -> Any:
    found = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    found.config.generation.update(modes=list(GenerationMode))
    return found


@pytest.mark.parametrize(("method", "path", "callers"), list(turns()))
def test_no_input_breaks_the_contract(document: Any, method: str, path: str, callers: tuple[str, ...]) -> None:
    operation = document[path][method]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
        derandomize=True,
        database=None,
    )
    @given(case=operation.as_strategy())
    def attack(case: schemathesis.Case[Any]) -> None:
        for caller in callers:
            # What the rules refuse beyond the document (a date in the future, an unknown cursor) is no fault.
            case.call_and_validate(headers=headers_of(caller), excluded_checks=[positive_data_acceptance])

    attack()
