"""`elevate serve`: workers, proxies, and an orderly end."""

import signal
import socket
from pathlib import Path

import httpx
import pytest
from tests.cli.processes import Running, finished, running
from tests.support.service import free_port
from tests.support.tokens import ISSUER, public_pem

CLERK = {"CLERK_ISSUER": ISSUER, "CLERK_JWT_KEY": public_pem()}


def wait_until_up(service: Running, workers: int) -> None:
    """Each worker says that it has started; their parent listens before."""
    for _ in range(workers):
        service.read_until("Application startup complete")


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_serve_and_sigterm_ends_them_in_order(app_dsn: str, tmp_path: Path, workers: int) -> None:
    port = free_port()
    arguments = ("serve", "--port", str(port), "--workers", str(workers))
    with running(*arguments, folder=tmp_path, DATABASE_URL=app_dsn, ENVIRONMENT="test", **CLERK) as service:
        wait_until_up(service, workers)
        answer = httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=10)
        code, rest = service.end(signal.SIGTERM)
    assert answer.status_code == 200
    assert "server" not in answer.headers
    assert code == 0
    assert rest.count("Application shutdown complete") == workers
    assert "Traceback" not in rest


def test_settings_that_cannot_work_end_it_before_any_worker_starts(tmp_path: Path) -> None:
    settings = {"DATABASE_URL": "postgresql://a@localhost/b", "CLERK_ISSUER": ISSUER, "CLERK_JWT_KEY": "no key"}
    result = finished("serve", "--workers", "2", "--port", str(free_port()), folder=tmp_path, **settings)
    assert result.returncode == 2
    assert result.stderr.startswith("elevate: CLERK_JWT_KEY: ")
    assert len(result.stderr.splitlines()) == 1


def test_production_without_a_database_is_refused(tmp_path: Path) -> None:
    result = finished("serve", folder=tmp_path, ENVIRONMENT="production")
    assert result.returncode == 2
    assert "DATABASE_URL: required in production" in result.stderr


def test_a_taken_port_is_a_sentence(app_dsn: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = finished("serve", "--port", port, folder=tmp_path, DATABASE_URL=app_dsn)
    assert (result.returncode, len(result.stderr.splitlines())) == (1, 1)
    assert f"port {port} of 127.0.0.1 is in use" in result.stderr
