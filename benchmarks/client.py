"""The load: keep-alive connections that each send the next request when an answer is whole.

A process of its own (``python -m benchmarks.client``), on a processor of its own where there is one: a job as JSON on
stdin, the outcome as JSON on stdout. Plain sockets and a selector, because a client that parses computes more than a
server that answers from memory.
"""

import json
import selectors
import socket
import sys
import time
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import psutil

_CHUNK = 1 << 18
_HEAD_END = b"\r\n\r\n"
_KEPT = 20
"""Unexpected answers that are kept, to show."""


@dataclass(slots=True)
class Connection:
    socket: socket.socket
    sent_at: float = 0.0
    wanted: int = -1
    got: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class Tally:
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    strange: list[str] = field(default_factory=list)
    received: int = 0
    finished_at: float = 0.0


class Load:
    def __init__(self, job: dict[str, Any]) -> None:
        self._port: int = job["port"]
        self._expected = {str(status) for status in job["expected"]}
        blobs = Path(job["requests"]).read_bytes()
        requests = [blobs[start:end] for start, end in job["spans"]]
        # A list that must not repeat ends the round when it is used up.
        self._requests: Iterator[bytes] = cycle(requests) if job["repeat"] else iter(requests)
        self._seconds: float = job["seconds"]
        self._selector = selectors.DefaultSelector()
        self._tally = Tally()
        self._open = 0
        self._connections = [self._connect() for _ in range(job["connections"])]

    def _connect(self) -> Connection:
        plain = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Connection(plain)

    def run(self) -> dict[str, Any]:
        started = time.perf_counter()
        self._until = started + self._seconds
        for connection in self._connections:
            connection.socket.setblocking(False)
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            self._open += 1
            self._send(connection)
        while self._open:
            ready = self._selector.select(60)
            if not ready:
                raise TimeoutError("no answer within a minute")
            for key, _ in ready:
                self._receive(key.data)
        return self._outcome(self._tally.finished_at - started)

    def _send(self, connection: Connection) -> None:
        now = time.perf_counter()
        request = next(self._requests, None) if now < self._until else None
        if request is None:
            self._selector.unregister(connection.socket)
            connection.socket.close()
            self._open -= 1
            return
        connection.sent_at = now
        connection.socket.sendall(request)  # fits into the socket's buffer

    def _receive(self, connection: Connection) -> None:
        data = connection.socket.recv(_CHUNK)
        if not data:
            raise ConnectionError("the server closed a connection")
        got = connection.got
        got += data
        if connection.wanted < 0:
            connection.wanted = _length(got)
        if connection.wanted < 0 or len(got) < connection.wanted:
            return
        now = time.perf_counter()
        tally = self._tally
        tally.latencies.append(now - connection.sent_at)
        tally.received += connection.wanted
        tally.finished_at = now
        status = got[9:12].decode("ascii")
        tally.statuses[status] += 1
        if status not in self._expected and len(tally.strange) < _KEPT:
            tally.strange.append(bytes(got[:2000]).decode("utf-8", "replace"))
        connection.got = bytearray()
        connection.wanted = -1
        self._send(connection)

    def _outcome(self, seconds: float) -> dict[str, Any]:
        times = sorted(self._tally.latencies)
        process = psutil.Process().cpu_times()
        return {
            "requests": len(times),
            "seconds": seconds,
            "bytes": self._tally.received,
            "statuses": dict(self._tally.statuses),
            "strange": self._tally.strange,
            "cpu": process.user + process.system,
            **{f"p{share:g}_ms": 1000 * quantile(times, share / 100) for share in (50, 95, 99, 99.9)},
            "max_ms": 1000 * (times[-1] if times else 0.0),
        }


def _length(got: bytearray) -> int:
    """Bytes of the whole answer once its head is there, else -1. Answers here have a length or no body."""
    end = got.find(_HEAD_END)
    if end < 0:
        return -1
    head = bytes(got[:end]).lower()
    place = head.find(b"\r\ncontent-length:")
    if place < 0:
        if head[9:12] in (b"204", b"304"):
            return end + 4
        raise ValueError(f"an answer without a length: {head!r}")
    value = head[place + 17 :].split(b"\r\n", 1)[0]
    return end + 4 + (0 if head[9:12] in (b"204", b"304") else int(value))


def quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> Any:
        return json.loads(self.body)


def request(method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes | Any = None) -> bytes:
    """The bytes of an HTTP/1.1 request; a body that is no bytes is sent as JSON."""
    fields = {"Host": "localhost", **(headers or {})}
    content = b""
    if body is not None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"Content-Type": "application/json", **fields, "Content-Length": str(len(content))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + _HEAD_END + content


def ask(port: int, sent: bytes, *, timeout: float = 60) -> Answer:
    """One request on a connection of its own, for checks and preparations."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as plain:
        plain.sendall(sent)
        got = bytearray()
        while (wanted := _length(got)) < 0 or len(got) < wanted:
            data = plain.recv(_CHUNK)
            if not data:
                raise ConnectionError("the server closed the connection")
            got += data
    head, _, body = bytes(got).partition(_HEAD_END)
    first, *rest = head.decode("latin-1").split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in rest)]
    return Answer(int(first.split()[1]), headers, body)


def encoded(content: bytes) -> str:
    return b64encode(content).decode()


def decoded(content: str) -> bytes:
    return b64decode(content)


if __name__ == "__main__":
    print(json.dumps(Load(json.load(sys.stdin)).run()))
