"""A thousand connections that say nothing or half of something, while others are served."""

import contextlib
import resource
import socket
import statistics
import time
from collections.abc import Iterator

import httpx
import pytest
from tests.edge.process import becomes, descriptors, resident
from tests.support.service import Service

from elevate_api.cli.patience import HEADER_SECONDS

IDLE, HALF = 1_000, 200
HALVES = (
    b"GET /api/stats HTTP/1.1\r\nHost: x\r\nX-A: ",
    b"POST /api/webhooks/kajabi HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{",
    b"POST /api/webhooks/kajabi HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
)
MUCH = 30.0
"""MiB for 1,200 connections."""


@pytest.fixture(autouse=True)
def _room_for_descriptors() -> Iterator[None]:
    """The usual soft limit of a process is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(service: Service, count: int) -> list[socket.socket]:
    return [socket.create_connection(("127.0.0.1", service.port), timeout=10) for _ in range(count)]


def test_a_thousand_idle_connections_keep_nobody_from_being_served(service: Service) -> None:
    with httpx.Client(base_url=service.url, timeout=10) as client, contextlib.ExitStack() as stack:
        client.get("/api/stats").raise_for_status()
        memory, files = resident(service), descriptors(service)
        held = [stack.enter_context(one) for one in connect(service, IDLE + HALF)]
        for number, connection in enumerate(held[IDLE:]):
            connection.sendall(HALVES[number % len(HALVES)])
        assert becomes(lambda: descriptors(service) >= files + IDLE + HALF, 10)
        taken = [_seconds(client) for _ in range(20)]
        grown = resident(service) - memory
        assert grown < MUCH
        assert statistics.median(taken) < 1
        for connection in held[IDLE + 1 :: len(HALVES)] + held[IDLE + 2 :: len(HALVES)]:
            connection.close()  # whose patience is that for bodies: tests/security/test_slow_clients.py
        assert becomes(lambda: descriptors(service) <= files + 2, HEADER_SECONDS + 20)
        assert held[0].recv(1) == b""
    assert resident(service) - memory < MUCH


def _seconds(client: httpx.Client) -> float:
    started = time.perf_counter()
    client.get("/api/stats").raise_for_status()
    client.get("/health/ready").raise_for_status()
    return time.perf_counter() - started


def test_connections_that_come_and_go_leave_nothing_behind(service: Service) -> None:
    httpx.get(f"{service.url}/api/stats").raise_for_status()
    files, memory = descriptors(service), resident(service)
    for _ in range(10):
        for connection in connect(service, 200):
            with connection, contextlib.suppress(ConnectionError):
                connection.sendall(HALVES[0])
    assert becomes(lambda: descriptors(service) <= files + 2, 10)
    assert resident(service) - memory < MUCH
