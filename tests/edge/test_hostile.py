"""What an attacker tries who has read the contract: shared memory, secrets in odd bytes, forged cursors, deliveries.

Against `elevate serve`; the fixture looks for errors in its log, too.
"""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.edge.conftest import SECRETS
from tests.edge.wire import Answer, answers, ask
from tests.support import tokens
from tests.support.service import Service

from elevate_api.clerk import signature as svix

EVIL = b"evil.example"
PUBLIC = ("/api/leaderboard", "/api/stats", "/api/activities", "/api/badges")
OF_ONE_ANSWER = {"x-request-id", "date", "ratelimit", "ratelimit-policy"}
POISON = (
    b"Host: evil.example",
    b"X-Forwarded-Host: evil.example", b"X-Forwarded-Proto: evil.example", b"X-Forwarded-Prefix: /evil.example",
    b"X-Forwarded-For: evil.example", b"Forwarded: for=evil.example;host=evil.example;proto=https",
    b"X-Original-URL: /api/evil.example", b"X-Rewrite-URL: /evil.example", b"X-Host: evil.example",
    b"X-HTTP-Method-Override: DELETE", b"X-Method-Override: PUT",
    b"X-Request-ID: evil.example", b"Origin: https://evil.example", b"Cookie: __session=evil.example",
    b"Authorization: Bearer evil.example", b"Accept-Language: id", b"Accept-Encoding: gzip, br, evil.example",
    b"Accept: text/evil.example", b"Range: bytes=0-1", b"If-None-Match: *", b"If-Range: evil.example",
    b"Content-Type: text/evil.example", b"Transfer-Encoding: chunked\r\nX-Evil: evil.example", b"Expect: 100-continue",
    b"Upgrade: evil.example\r\nConnection: upgrade", b"User-Agent: evil.example", b"traceparent: evil.example",
)  # fmt: skip


def one(service: Service, request: bytes) -> Answer:
    found = answers(service.port, request)
    assert len(found) == 1, found
    return found[0]


def lasting(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    return answer.status, {k: v for k, v in answer.headers.items() if k not in OF_ONE_ANSWER}, answer.body


@pytest.mark.parametrize("path", PUBLIC)
def test_whoever_asks_first_leaves_nothing_of_theirs_to_the_next(service: Service, path: str) -> None:
    """Each header goes with a target that nobody has asked for yet, so that its answer is the one that is kept."""
    clean = lasting(one(service, ask(f"{path}?u={uuid4().hex}")))
    assert clean[0] == 200
    for poison in POISON:
        target = f"{path}?u={uuid4().hex}"
        body = b"0\r\n\r\n" if poison.startswith(b"Transfer-Encoding") else b""
        request = ask(target, poison, body=body)
        if poison.startswith(b"Host"):
            request = request.replace(b"Host: service.test\r\n", b"")
        first = one(service, request)
        assert first.status < 500, poison
        if b"X-Request-ID" not in poison:  # which is told to who sent it
            assert EVIL not in repr(first.headers).encode() + first.body, poison
        after = one(service, ask(target))
        assert lasting(after) == clean, poison
        assert EVIL not in repr(after.headers).encode() + after.body, poison


@pytest.mark.parametrize(
    "target",
    [
        "/api/leaderboard?limit=1&limit=100", "/api/leaderboard?limit=1;limit=100", "/api/leaderboard?limit=%31",
        "/api/l%65aderboard?limit=1", "/api/leaderboard?Limit=100&limit=1", "/api/leaderboard?limit=1&period=30d%00",
        "/api/leaderboard%3flimit=1", "/api/leaderboard/?limit=1", "//api/leaderboard", "/api//leaderboard",
        "/api/leaderboard;x=1", "/api/./leaderboard", "/api/x/../leaderboard", "/API/leaderboard",
        "http://evil.example/api/leaderboard?limit=1", "/api/leaderboard?cursor=evil.example",
    ],
)  # fmt: skip
def test_no_way_of_writing_a_target_answers_for_another(service: Service, target: str) -> None:
    plain = "/api/leaderboard"
    before = lasting(one(service, ask(plain)))
    first = one(service, ask(target))
    assert first.status in {200, 400, 404, 405, 422}
    assert EVIL not in repr(first.headers).encode()
    assert lasting(one(service, ask(plain)))[0] == before[0] == 200
    assert json.loads(one(service, ask(plain)).body)["items"] == json.loads(before[2])["items"]
    assert lasting(one(service, ask(target)))[::2] == lasting(first)[::2] or first.status >= 400


@pytest.mark.parametrize("odd", [b"\xe9", b"\xff\xfe", "\u00e9".encode(), b"\xed\xa0\x80", b"%C3%A9", b"=" * 4000])
def test_a_secret_in_odd_bytes_is_a_wrong_one(service: Service, odd: bytes) -> None:
    """Python compares text in constant time only where it is ASCII, and raises elsewhere."""
    content = b"Content-Length: 2"
    now = str(int(time.time())).encode()
    for request in (
        ask("/api/cron/retention", b"Authorization: Bearer " + odd),
        ask("/api/me", b"Authorization: Bearer " + odd),
        ask("/api/me", b"Authorization: " + odd),
        ask("/api/me", b"Cookie: __session=" + odd),
        ask("/api/webhooks/kajabi", b"X-Webhook-Secret: " + odd, content, method="POST", body=b"{}"),
        ask("/api/webhooks/kajabi", b"X-Kajabi-Signature: " + odd, content, method="POST", body=b"{}"),
        ask(b"/api/webhooks/kajabi/" + base64.b16encode(odd[:200]), content, method="POST", body=b"{}"),
        *(
            ask("/api/webhooks/clerk", *lines, content, method="POST", body=b"{}")
            for lines in (
                (b"svix-id: " + odd, b"svix-timestamp: " + now, b"svix-signature: v1,AAAA"),
                (b"svix-id: x", b"svix-timestamp: " + odd, b"svix-signature: v1,AAAA"),
                (b"svix-id: x", b"svix-timestamp: " + now, b"svix-signature: v1," + odd),
                (b"svix-id: x", b"svix-timestamp: " + now, b"svix-signature: " + odd),
            )
        ),
    ):  # fmt: skip
        answer = one(service, request)
        assert (answer.status, answer.code) in {(401, "UNAUTHENTICATED"), (404, "NOT_FOUND")}, (request, answer)


ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 2**63, 10**400, 1.5, float("inf"), float("nan"), "", "x" * 500, "\x00", "\ud800", "infinity",
    "9999-12-31T23:59:59.999999-18:00", "0001-01-01T00:00:00+18:00", "-infinity", "294276-12-31T00:00:00Z",
    "00000000-0000-0000-0000-000000000000", "' OR 1=1 --", [], {}, [[]],
)  # fmt: skip
PAGED = (
    "/api/leaderboard", "/api/me/points/entries", "/api/submissions", "/api/review/queue", "/api/admin/users",
    "/api/admin/audit", "/api/admin/kajabi/events", "/api/admin/alerts", "/api/admin/ops/refreshes",
    "/api/admin/badges", "/api/admin/ops/backups",
)  # fmt: skip


@pytest.fixture(scope="module")
def admin(service: Service) -> Iterator[httpx.Client]:
    headers = tokens.bearer("admin", exp=int(time.time()) + 3600)
    with httpx.Client(base_url=service.url, timeout=30, headers=headers) as client:
        yield client


def cursors() -> Iterator[str]:
    for length in range(1, 5):
        for value in ODD_VALUES:
            document = json.dumps([1, *[value] * length]).encode()
            yield base64.urlsafe_b64encode(document).decode().rstrip("=")
    yield from ("", "=", "AA", "////", "%00", "W10", "bnVsbA", "e30", "MQ", "\u00e9")


@pytest.mark.parametrize("path", PAGED)
def test_a_forged_cursor_is_a_wrong_one_or_a_place(admin: httpx.Client, path: str) -> None:
    assert admin.get(path).status_code == 200
    for cursor in cursors():
        answer = admin.get(path, params={"cursor": cursor})
        assert answer.status_code in {200, 422}, (cursor, answer.text)


KAJABI = f"/api/webhooks/kajabi/{SECRETS['KAJABI_WEBHOOK_TOKENS']}"
CONTENT_TYPES = (
    None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "*/*",
    "application/json; charset=utf-16", "application/json; charset=evil", "text/html", "application/\x01", "x" * 3000,
)  # fmt: skip


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_a_delivery_is_read_as_json_whatever_it_says_that_it_is(admin: httpx.Client, content_type: str | None) -> None:
    contact = uuid4().hex
    body = {
        "event_type": "contact.tagged",
        "contact": {"id": contact, "email": None},
        "tag": {"name": "elevate-ai-1-completed"},
    }
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = admin.post(KAJABI, content=json.dumps(body), headers=headers)
    assert answer.status_code in {202, 400}, answer.text
    assert (answer.status_code == 400) == (content_type == "application/\x01")  # which is no header
    if answer.status_code == 202:
        assert answer.json()["status"] == "UNMATCHED"


def flat(value: Any) -> dict[str, Any]:
    contact = {"id": value, "email": value}
    return {"event_type": "contact.tagged", "contact": contact, "tag": {"name": value}, "created_at": value}


def hook(value: Any) -> dict[str, Any]:
    resource = {"id": value, "type": value, "attributes": value}
    return {"id": value, "event": "tag_added", "payload": [resource] * 3}


ODD_DELIVERIES = [
    shape(value) for shape in (flat, hook) for value in (*ODD_VALUES, "\u202e" * 300, "a@b@c", "A" * 100_000)
]


def test_no_delivery_breaks_the_inbox(admin: httpx.Client) -> None:
    for delivery in ODD_DELIVERIES:
        answer = admin.post(KAJABI, content=json.dumps(delivery).encode())
        assert answer.status_code in {200, 202, 400}, (delivery, answer.text)
        assert answer.json().get("status") != "RECEIVED"
    events = admin.get("/api/admin/kajabi/events", params={"limit": 100})
    assert events.status_code == 200
    for event in events.json()["items"]:
        assert admin.get(f"/api/admin/kajabi/events/{event['id']}").status_code == 200


def clerk(admin: httpx.Client, body: bytes) -> httpx.Response:
    message, now = f"msg_{uuid4().hex}", int(time.time())
    key = svix.key_of(SECRETS["CLERK_WEBHOOK_SECRET"])
    signed = svix.sign(message, now, body, key)
    headers = {"svix-id": message, "svix-timestamp": str(now), "svix-signature": signed}
    return admin.post("/api/webhooks/clerk", content=body, headers=headers)


@pytest.mark.parametrize("kind", ["user.created", "user.updated", "user.deleted", None])
def test_no_message_of_clerks_breaks_us(admin: httpx.Client, kind: Any) -> None:
    for value in ODD_VALUES:
        address = {"id": value, "email_address": value, "verification": {"status": value}}
        data = {
            "id": value, "email_addresses": [address, value], "primary_email_address_id": value, "first_name": value,
            "last_name": value, "username": value, "image_url": value, "created_at": value, "updated_at": value,
            "deleted": True, "public_metadata": {"role": "SUPERADMIN", "x": value},
        }  # fmt: skip
        for timestamp in (int(time.time() * 1000), value):
            document = {"data": data, "object": "event", "type": kind, "timestamp": timestamp}
            answer = clerk(admin, json.dumps(document).encode())
            assert answer.status_code in {200, 400}, (document, answer.text)
    assert admin.get("/api/admin/users", params={"role": "SUPERADMIN"}).json()["items"] == []


@pytest.mark.parametrize("name", ["Accept-Language", "If-None-Match", "Accept-Encoding", "Accept", "Cookie", "Origin"])
def test_a_long_header_takes_no_time(service: Service, name: str) -> None:
    for part in ("a;q=0.1,", 'W/"', '"', "a=b; ", "*,", ",", "\u00e9,"):
        started = time.monotonic()
        value = (part * 60_000)[:60_000]
        answer = one(service, ask(f"/api/stats?u={uuid4().hex}", f"{name}: {value}"))
        assert answer.status in {200, 304, 400, 431}
        assert time.monotonic() - started < 5  # a regular expression that goes astray takes hours
