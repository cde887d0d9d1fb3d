"""`elevate serve --workers 2`: a scrape of any worker tells of all, and of those that died."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.service import Service, running_service

REQUESTS = 40


@pytest.fixture
def service(app_dsn: str, owner_dsn: str, tmp_path: Path) -> Iterator[Service]:
    settings = {"MAX_CONNECTIONS": "7", "TMPDIR": str(tmp_path), "LOG_LEVEL": "WARNING"}
    with running_service(Service(app_dsn, owner_dsn, tmp_path / "log", settings, workers=2)) as service:
        yield service
        assert service.stop() == 0
    assert list(tmp_path.glob("elevate-metrics-*")) == []


def scrape(service: Service) -> dict[str, float]:
    text = httpx.get(f"{service.url}/metrics").text
    return {
        f"{sample.name}{sorted(sample.labels.values()) or ''}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def workers(service: Service) -> list[psutil.Process]:
    assert service._process is not None
    children = psutil.Process(service._process.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def until_pools(service: Service, size: int) -> None:
    """Every worker has said how large its pool is."""
    deadline = time.monotonic() + 30
    while scrape(service)["leaps_pool_size"] != size:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def until_counted(service: Service, name: str, number: int) -> None:
    """A request is counted after its answer has gone out, on a busy machine a good while after."""
    deadline = time.monotonic() + 30
    while scrape(service)[name] != number:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_scrape_of_any_worker_tells_of_all_and_of_the_dead(service: Service) -> None:
    until_pools(service, 14)
    name = "leaps_http_requests_total['/api/activities', '200', 'GET']"
    for _ in range(REQUESTS):
        assert httpx.get(f"{service.url}/api/activities").status_code == 200  # a connection each: any worker answers
    until_counted(service, name, REQUESTS)
    for _ in range(6):
        assert scrape(service)[name] == REQUESTS

    os.kill(workers(service)[0].pid, signal.SIGKILL)  # its successor comes by itself
    until_pools(service, 14)
    assert scrape(service)[name] == REQUESTS
