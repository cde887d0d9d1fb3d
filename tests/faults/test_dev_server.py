"""`elevate dev` when somebody ends its PostgreSQL."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.cli.processes import running

from elevate_api.cli.guardian import RESTARTS, Guardian
from elevate_api.postgres import EmbeddedServer, ephemeral, scratch_dir
from elevate_api.postgres.testing import crash


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch_dir() as folder:
        yield folder


def test_a_killed_postgres_is_started_again_while_the_service_runs_on(folder: Path) -> None:
    with running("dev", "--port", "0", "--data-dir", str(folder / "data"), "--no-demo", folder=folder) as dev:
        ready = dev.read_until("Ready on ")[-1]
        found = re.search(r"http://\S+?:\d+", ready)
        assert found is not None
        url = found[0]
        assert httpx.get(f"{url}/api/activities").status_code == 200
        crash(EmbeddedServer(folder / "data"))
        dev.read_until("postgres_restarted")
        assert httpx.get(f"{url}/api/activities", timeout=30).status_code == 200
        assert httpx.get(f"{url}/health/ready", timeout=30).status_code == 200


def test_a_postgres_that_ends_again_and_again_is_given_up_with_a_sentence() -> None:
    with ephemeral() as server:
        guardian = Guardian(server)
        assert guardian.look() is None
        for _ in range(RESTARTS):
            crash(server)
            assert guardian.look() is None
            assert server.owned
        crash(server)
        assert "within a minute" in (guardian.look() or "")
