"""HTTP by hand: what no client would send, and everything that comes back."""

import contextlib
import json
import socket
from dataclasses import dataclass
from typing import Any

HANG = 15.0
"""Seconds without a word or an end."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str | None:
        """Of a problem; None for anything else."""
        if self.headers.get("content-type") != "application/problem+json":
            return None
        found: Any = json.loads(self.body)
        return str(found["code"])


def ask(target: str | bytes, *headers: str | bytes, method: str = "GET", body: bytes = b"") -> bytes:
    """A request that ends its connection. Headers are lines, as they are."""
    path = target.encode() if isinstance(target, str) else target
    lines = [method.encode() + b" " + path + b" HTTP/1.1", b"Host: service.test", b"Connection: close"]
    lines += [line.encode("latin-1") if isinstance(line, str) else line for line in headers]
    return b"\r\n".join([*lines, b"", b""]) + body


def kept(request: bytes) -> bytes:
    """The same on a connection that is kept."""
    return request.replace(b"Connection: close\r\n", b"")


def answers(port: int, request: bytes) -> list[Answer]:
    """Every answer until the service hangs up; TimeoutError when it says nothing and does not."""
    with socket.create_connection(("127.0.0.1", port), timeout=HANG) as connection:
        received = b""
        with contextlib.suppress(ConnectionError):  # hung up on while still talking: what it said may have arrived
            connection.sendall(request)
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65_536):
                received += chunk
    return parsed(received, head=request.startswith(b"HEAD "))


def parsed(received: bytes, *, head: bool = False) -> list[Answer]:
    """Strictly one after the other; AssertionError for a byte that belongs to none."""
    found = []
    while received:
        top, blank, received = received.partition(b"\r\n\r\n")
        assert blank, top
        first, *lines = top.split(b"\r\n")
        assert first.startswith(b"HTTP/1.1 "), first
        pairs = [line.decode("latin-1").split(": ", 1) for line in lines]
        headers = {name.lower(): value for name, value in pairs}
        status = int(first.split()[1])
        body = b""
        if status >= 200 and status not in {204, 304} and not head:
            body, received = _body(headers, received)
        found.append(Answer(status, headers, body))
    return found


def _body(headers: dict[str, str], received: bytes) -> tuple[bytes, bytes]:
    if "content-length" in headers:
        length = int(headers["content-length"])
        assert len(received) >= length
        return received[:length], received[length:]
    assert headers.get("transfer-encoding") == "chunked"
    body = b""
    while True:
        size, _, received = received.partition(b"\r\n")
        length = int(size, 16)
        body += received[:length]
        received = received[length + 2 :]
        if length == 0:
            return body, received
