"""The load: keep-alive connections that each send the next request when an answer is whole.

A process of its own (``python -m benchmarks.client``), on a processor of its own where there is one: a job as JSON on
stdin, the outcome as JSON on stdout. Plain sockets and a selector, because a client that parses computes more than a
server that answers from memory.
"""

import heapq
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
    number: int
    due_at: float = 0.0
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
        # With a rate, requests are due at fixed times and a late answer delays the ones after it: their time counts
        # from when they were due, as a user's would.
        self._interval: float = job["connections"] / job["rate"] if job["rate"] else 0.0
        self._waiting: list[tuple[float, int]] = []
        self._selector = selectors.DefaultSelector()
        self._tally = Tally()
        self._open = 0
        self._connections = [self._connect(number) for number in range(job["connections"])]

    def _connect(self, number: int) -> Connection:
        plain = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Connection(plain, number)

    def run(self) -> dict[str, Any]:
        started = time.perf_counter()
        self._until = started + self._seconds
        for number, connection in enumerate(self._connections):
            connection.socket.setblocking(False)
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            self._open += 1
            connection.due_at = started + self._interval * number / len(self._connections)
            self._next(number)
        while self._open:
            ready = self._selector.select(self._pause())
            if not ready and not self._waiting:
                raise TimeoutError("no answer within a minute")
            for key, _ in ready:
                self._receive(key.data)
            while self._waiting and self._waiting[0][0] <= time.perf_counter():
                self._send(self._connections[heapq.heappop(self._waiting)[1]])
        return self._outcome(self._tally.finished_at - started)

    def _pause(self) -> float:
        return max(0.0, self._waiting[0][0] - time.perf_counter()) if self._waiting else 60.0

    def _next(self, number: int) -> None:
        """Send at once, or when it is due."""
        connection = self._connections[number]
        if self._interval and connection.due_at > time.perf_counter():
            heapq.heappush(self._waiting, (connection.due_at, number))
        else:
            self._send(connection)

    def _send(self, connection: Connection) -> None:
        now = time.perf_counter()
        request = next(self._requests, None) if now < self._until else None
        if request is None:
            self._selector.unregister(connection.socket)
            connection.socket.close()
            self._open -= 1
            return
        connection.sent_at = connection.due_at if self._interval else now
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
        connection.due_at += self._interval
        self._next(connection.number)

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


def drain(port: int, sent: bytes) -> dict[str, Any]:
    """Take a long chunked answer as fast as it comes: its lines, bytes and seconds, and the start of it."""
    started = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=600) as plain:
        plain.sendall(sent)
        stream = plain.makefile("rb", buffering=_CHUNK)
        status = stream.readline()
        while stream.readline().strip():
            pass
        lines = size = 0
        first = b""
        while length := int(stream.readline(), 16):
            data = stream.read(length)
            stream.readline()
            lines += data.count(b"\n")
            size += length
            first = first or data[:4000]
    used = psutil.Process().cpu_times()
    return {
        "status": int(status.split()[1]), "lines": lines, "bytes": size, "seconds": time.perf_counter() - started,
        "first": first.decode("utf-8", "replace"), "cpu": used.user + used.system,
    }  # fmt: skip


def main() -> None:
    job = json.load(sys.stdin)
    outcome = drain(job["port"], decoded(job["drain"])) if "drain" in job else Load(job).run()
    print(json.dumps(outcome))


if __name__ == "__main__":
    main()
