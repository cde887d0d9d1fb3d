"""The port, the signals, and the server between them."""

import errno
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn

from elevate_api.cli.errors import CommandFailed
from elevate_api.cli.patience import PatientProtocol

GRACE_SECONDS = 10
"""How long running requests may take to end once the service is told to stop; event streams are cut then."""
BACKLOG = 2048
ACCEPTED_A_TURN = 16
"""How many connections a turn of the event loop lets in. libuv accepts one for each listening socket and turn (its pull
request 3696): under overload, when turns are long, whoever is new would wait for tens of seconds behind everything that
those who are in already ask for, and could not even be refused."""
DESCRIPTORS = 65_536
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


def options(**more: Any) -> dict[str, Any]:
    """Settings of uvicorn that `serve` and `dev` share; logging is ours, and so is the access log."""
    return {
        "loop": "auto",
        "http": PatientProtocol,
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": GRACE_SECONDS,
        **more,
    }


@contextmanager
def listener(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket, taken before anything else is started. Raises CommandFailed when it cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        taken = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise CommandFailed(_refusal(host, port, error)) from error
    with taken:
        yield taken


def every_ear(taken: socket.socket) -> list[socket.socket]:
    """The listening socket, under as many descriptors as connections are to be accepted in a turn."""
    return [taken, *(taken.dup() for _ in range(ACCEPTED_A_TURN - 1))]


def _refusal(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use, perhaps by another `elevate`; choose a free one with --port"
    reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
    return f"cannot listen on {host} port {port}: {reason}"


def take_descriptors() -> None:
    """As many connections as the system lets this process have: the usual soft limit is a thousand files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def url_of(host: str, taken: socket.socket) -> str:
    """The address to type on this machine."""
    shown = "127.0.0.1" if host in ANY_ADDRESS else host
    port = taken.getsockname()[1]
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does, by KeyboardInterrupt; on the way out neither interrupts."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whatever the block does at its end is not cut short by an impatient second Ctrl-C."""
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


TICKS_BETWEEN_LOOKS = 10
"""uvicorn ticks ten times a second."""


class Server(uvicorn.Server):
    """uvicorn that says when it is ready. `watch` is asked every second; a sentence from it ends the service."""

    def __init__(
        self, config: uvicorn.Config, on_ready: Callable[[], None], watch: Callable[[], str | None] | None = None
    ) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._watch = watch
        self.failure: str | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        if self._watch is not None and counter % TICKS_BETWEEN_LOOKS == 0:
            self.failure = self._watch()
        return self.failure is not None or await super().on_tick(counter)
