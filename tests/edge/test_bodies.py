"""Bodies made to break a reader, on every kind of route that takes one, against `elevate serve`."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.edge.process import resident
from tests.edge.wire import answers, ask
from tests.support import tokens
from tests.support.service import Service

MEBIBYTE = 1024 * 1024
A_DAY = int(time.time()) + 86_400  # this file is read long before its tests run
JSON = {"Content-Type": "application/json"}
SIGNED = {"webhook-id": "msg_1", "webhook-timestamp": "1700000000", "webhook-signature": "v1,bm90aGluZw=="}
ROUTES: dict[str, tuple[str, dict[str, str]]] = {
    "/api/submissions": ("POST", tokens.bearer("teacher", exp=A_DAY)),
    "/api/me": ("PATCH", tokens.bearer("teacher", exp=A_DAY)),
    "/api/review/bulk": ("POST", tokens.bearer("reviewer", exp=A_DAY)),
    "/api/admin/points/adjustments": ("POST", {**tokens.bearer("admin", exp=A_DAY), "Idempotency-Key": "edge"}),
    "/api/webhooks/kajabi": ("POST", {"X-Webhook-Secret": "kajabi-secret-of-the-edge-run"}),
    "/api/webhooks/kajabi/kajabi-token-of-the-edge-run": ("POST", {}),
    "/api/webhooks/clerk": ("POST", SIGNED),
}
DEEP = 200_000
NOT_JSON: dict[str, bytes] = {
    "nothing": b"",
    "half": b'{"a": ',
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "overlong": b'{"a": "\xc0\xaf"}',
    "a zero": b'{"a": "\x00"}',
    "not a number": b'{"a": NaN}',
    "endless": b'{"a": Infinity}',
    "deep list": b"[" * DEEP,
    "deep object": b'{"a":' * (DEEP // 5),
}
ODD_JSON: dict[str, bytes] = {
    "deep and closed": b"[" * 400_000 + b"]" * 400_000,
    "an escaped zero": b'{"name": "\\u0000", "event": "\\u0000"}',
    "half a pair": b'{"name": "\\ud800", "event": "\\udfff"}',
    "the same key twice": b'{"name": "a", "name": "b", "event": "a", "event": "b", "decisions": [], "decisions": []}',
    "beyond a float": b'{"name": 1e400, "event": -1e400, "decisions": 1e400}',
    "5,000 digits": b'{"name": ' + b"9" * 5_000 + b', "event": 1, "id": ' + b"9" * 5_000 + b"}",
    "many keys": b"{" + b",".join(b'"%d":0' % number for number in range(50_000)) + b"}",
    "no object": b"null",
    "a text": b'"text"',
}


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=20) as client:
        yield client


def send(client: httpx.Client, path: str, body: bytes | Iterator[bytes]) -> httpx.Response:
    method, headers = ROUTES[path]
    return client.request(method, path, content=body, headers=JSON | headers)


def is_problem(answer: httpx.Response) -> bool:
    return answer.headers.get("content-type") == "application/problem+json" and bool(answer.json()["code"])


@pytest.mark.parametrize("path", ROUTES)
def test_what_is_no_json_is_refused(client: httpx.Client, path: str) -> None:
    wrong = []
    for kind, body in NOT_JSON.items():
        answer = send(client, path, body)
        if answer.status_code not in {400, 401, 422} or not is_problem(answer):
            wrong.append(f"{kind}: {answer.status_code} {answer.text[:200]}")
    assert wrong == []


@pytest.mark.parametrize("path", ROUTES)
def test_odd_json_breaks_nothing(client: httpx.Client, path: str) -> None:
    """A webhook may keep what it does not understand; everybody else refuses."""
    wrong = []
    for kind, body in ODD_JSON.items():
        answer = send(client, path, body)
        kept = "/webhooks/" in path and answer.status_code in {200, 202}
        if not kept and (answer.status_code not in {400, 401, 413, 422} or not is_problem(answer)):
            wrong.append(f"{kind}: {answer.status_code} {answer.text[:200]}")
    assert wrong == []


@pytest.mark.parametrize("path", ROUTES)
def test_a_body_that_is_too_long_is_refused_announced_or_not(client: httpx.Client, path: str) -> None:
    assert send(client, path, b" " * (2 * MEBIBYTE)).status_code == 413
    assert send(client, path, (b" " * 65_536 for _ in range(32))).status_code == 413


def test_fifty_clients_with_ten_megabytes_each_cost_no_memory(service: Service) -> None:
    """Half of them announce it, half send chunks; on the webhook, where nobody is signed in."""
    big = b" " * (10 * MEBIBYTE)
    chunk = b"%x\r\n" % len(big) + big + b"\r\n0\r\n\r\n"
    path, kind = "/api/webhooks/kajabi", "Content-Type: application/json"
    announced = ask(path, kind, f"Content-Length: {len(big)}", method="POST", body=big)
    unannounced = ask(path, kind, "Transfer-Encoding: chunked", method="POST", body=chunk)
    before, peak, done = resident(service), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], resident(service))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(lambda number: answers(service.port, (announced, unannounced)[number % 2]), range(50)))
    done.set()
    watcher.join()
    said = [answer.status for one in found for answer in one]
    assert set(said) == {413}
    assert all(len(one) <= 1 for one in found)  # none: hung up on while it was still talking
    assert httpx.get(f"{service.url}/api/stats").is_success
    assert peak[0] - before < 100
