"""`elevate serve`: the service, for production and one-machine installs."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryDirectory
from typing import Annotated

import structlog
import typer
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from elevate_api.cli.listening import every_ear, listener, options, take_descriptors, terminable, undisturbed, url_of
from elevate_api.cli.runtime import EMBEDDED_DATABASE, embedded_server, load_settings
from elevate_api.config import Settings
from elevate_api.kit import logging
from elevate_api.kit.metrics import MULTIPROCESS
from elevate_api.ops.roles import SERVICE_ROLE

APPLICATION = "elevate_api.asgi:build"
log = structlog.get_logger("elevate_api.serve")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes; each has a pool of MAX_CONNECTIONS.")] = 1,
    trusted_proxies: Annotated[
        str | None, typer.Option(help="Addresses whose X-Forwarded-* headers count, comma-separated; * for all.")
    ] = None,
) -> None:
    """Serve the API. Ctrl-C and SIGTERM let running requests end first.

    Without DATABASE_URL the embedded PostgreSQL of the data directory is used, which `elevate db migrate` prepares.
    """
    settings = load_settings()
    logging.configure(settings.app.log_level, json=settings.app.production)
    take_descriptors()
    with listener(host, port) as taken, terminable(), _database(settings), _counting(workers), undisturbed():
        _check()
        log.info("listening", url=url_of(host, taken), workers=workers)
        more = options(workers=workers, forwarded_allow_ips=trusted_proxies)
        _run(uvicorn.Config(APPLICATION, factory=True, **more), every_ear(taken))


def _run(config: uvicorn.Config, sockets: list[socket.socket]) -> None:
    """As `uvicorn.run` does, on sockets that are taken already. Exits with 3 where the service did not start."""
    if config.workers > 1:
        Multiprocess(config, sockets=sockets).run()
        return
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):  # raised once more after an orderly end
        server.run(sockets=sockets)
    if not server.started:
        sys.exit(STARTUP_FAILURE)


@contextmanager
def _database(settings: Settings) -> Iterator[None]:
    """Workers read their settings from the environment, so that is where the embedded server's address goes."""
    if settings.database.url is not None:
        yield
        return
    with embedded_server(settings) as server:
        os.environ["DATABASE_URL"] = server.dsn(EMBEDDED_DATABASE, SERVICE_ROLE)
        os.environ["DIRECT_URL"] = server.dsn(EMBEDDED_DATABASE)  # of the owner, who makes the backups
        yield


@contextmanager
def _counting(workers: int) -> Iterator[None]:
    """Several workers count in files of one folder, so that a scrape of any tells of all. A folder given is kept."""
    if workers == 1 or MULTIPROCESS in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="elevate-metrics-") as folder:
        os.environ[MULTIPROCESS] = folder
        yield


def _check() -> None:
    """Build the service once: settings that cannot work end here, not in workers that are started over and over."""
    from elevate_api.asgi import build  # noqa: PLC0415 - the other commands need not wait for it

    build()
