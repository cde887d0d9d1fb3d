"""Requests that no client sends, byte by byte, against `elevate serve`.

Never a 500, never a silence, never two answers for one request, and every refusal is a problem document.
"""

import time

import pytest
from tests.edge.wire import Answer, answers, ask, kept
from tests.support import tokens
from tests.support.service import Service

LONG = 8_000
TOO_LONG = 70_000
A_DAY = int(time.time()) + 86_400  # this file is read long before its tests run
BEARER = f"Authorization: {tokens.bearer('teacher', exp=A_DAY)['Authorization']}"
STATS = "/api/stats"
JSON = "Content-Type: application/json"
SECRET = "X-Webhook-Secret: kajabi-secret-of-the-edge-run"


def only(found: list[Answer]) -> Answer:
    assert len(found) == 1, found
    answer = found[0]
    assert answer.status < 500, answer
    page = answer.headers.get("content-type", "").startswith("text/html")  # the console says it to people
    assert answer.status < 400 or page or answer.code is not None, answer
    return answer


# --- paths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/api/stats/%2e%2e/me", 404),
        ("/api/../api/stats", 404),
        ("/api/./stats", 404),
        ("/console/static/%2e%2e/%2e%2e/pages.py", 404),
        ("/console/static/..%2f..%2fpages.py", 404),
        ("/console/static/%00", 404),
        ("/api/storage/%2e%2e%2f%2e%2e%2fetc%2fpasswd?token=x", 404),
        ("//api/stats", 404),
        ("/api//stats", 404),
        ("/api/stats/", 404),
        ("/api/stats;v=1", 404),
        ("/API/STATS", 404),
        ("/api%2fstats", 200),  # decoded before it is routed, and a public page all the same
        ("/api/%73tats", 200),
        ("/api/me%00", 404),
        ("/api/profiles/%00", 404),
        ("/api/profiles/%c0%ae%c0%ae", 404),
        ("/api/profiles/%ff%fe", 404),
        ("/api/profiles/%ed%a0%80", 404),
        ("/api/profiles/%zz%", 404),
        (f"/api/profiles/{'a' * LONG}", 404),
        (f"/api/stats?{'a' * LONG}=1", 200),
        (f"/{'a' * TOO_LONG}", 400),
        ("/api/leaderboard?limit=%00", 422),
        ("/api/leaderboard?cursor=%00%c0%af", 422),
        ("/api/leaderboard?limit=1&limit=2", 200),
        ("/api/leaderboard?%00=%00&&&==&%", 422),
        ("/api/leaderboard?a=b&&&==&%&%c0%af", 200),
        ("/api/leaderboard?limit=" + "9" * 5_000, 422),
        ("/api/stats?#x?y", 200),
        ("http://elsewhere.test/api/stats", 200),
        ("http://elsewhere.test", 400),
        ("http://[::1/api/stats", 400),
        ("api/stats", 400),
        ("*", 404),
        (b"/api/stats\xff", 400),
        (b"/api/stats\x00", 400),
    ],
)
def test_an_odd_path_is_somewhere_or_nowhere(service: Service, target: str, status: int) -> None:
    assert only(answers(service.port, ask(target))).status == status


def test_a_path_cannot_be_written_so_that_its_guard_does_not_see_it(service: Service) -> None:
    for target in ("/api%2fadmin%2fusers", "/api/admin/%75sers", "http://x.test/api/admin/users", "/api/admin/users?"):
        assert only(answers(service.port, ask(target))).status == 401
        assert only(answers(service.port, ask(target, BEARER))).status == 403


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "OPTIONS", "DELETE", "PURGE"])
def test_a_method_that_a_path_does_not_have_is_refused(service: Service, method: str) -> None:
    assert only(answers(service.port, ask(STATS, method=method))).status == 405


def test_options_of_the_service_as_a_whole_are_nowhere(service: Service) -> None:
    assert only(answers(service.port, ask("*", method="OPTIONS"))).status == 404


# --- what is no HTTP --------------------------------------------------------------------------------------------------


def post(*headers: str | bytes, body: bytes = b"{}", target: str = "/api/webhooks/kajabi") -> bytes:
    return ask(target, SECRET, JSON, *headers, method="POST", body=body)


def chunked(body: bytes) -> bytes:
    return post("Transfer-Encoding: chunked", body=body)


SMUGGLED = b"0\r\n\r\nGET /api/stats HTTP/1.1\r\nHost: x\r\n\r\n"
MALFORMED = {
    "lower-case method": ask(STATS, method="get"),
    "unknown method": ask(STATS, method="BREW"),
    "connect": ask("elsewhere.test:443", method="CONNECT"),
    "version 2.0": ask(STATS).replace(b"HTTP/1.1", b"HTTP/2.0"),
    "version 9.9": ask(STATS).replace(b"HTTP/1.1", b"HTTP/9.9"),
    "version 1.10": ask(STATS).replace(b"HTTP/1.1", b"HTTP/1.10"),
    "version 0.9": b"GET /api/stats\r\n\r\n",
    "HTTP/2 without asking": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "zeros": bytes(500),
    "no host": b"GET /api/stats HTTP/1.1\r\n\r\n",
    "two hosts": ask(STATS, "Host: elsewhere.test"),
    "two tokens": ask("/api/me", BEARER, "Authorization: Bearer x"),
    "the same token twice": ask("/api/me", BEARER, BEARER),
    "two media types": post("Content-Type: text/plain", "Content-Length: 2"),
    "two lengths": post("Content-Length: 2", "Content-Length: 3"),
    "the same length twice": post("Content-Length: 2", "Content-Length: 2"),
    "a list of lengths": post("Content-Length: 2, 2"),
    "signed length": post("Content-Length: +2"),
    "negative length": post("Content-Length: -2"),
    "hexadecimal length": post("Content-Length: 0x2"),
    "endless length": post("Content-Length: " + "9" * 30),
    "length and chunks": post("Content-Length: 6", "Transfer-Encoding: chunked", body=SMUGGLED),
    "chunks and length": post("Transfer-Encoding: chunked", "Content-Length: 6", body=SMUGGLED),
    "chunks by another name": post("Transfer-Encoding: xchunked", body=SMUGGLED),
    "chunks before the last": post("Transfer-Encoding: chunked, identity", body=SMUGGLED),
    "a space before the colon": post("Transfer-Encoding : chunked", body=SMUGGLED),
    "a folded header": ask(STATS, "X-A: b\r\n c"),
    "a folded encoding": post("Transfer-Encoding:\r\n chunked", body=SMUGGLED),
    "a line feed alone": ask(STATS).replace(b"\r\n", b"\n"),
    "a carriage return in a value": ask(STATS, "X-A: b\rX-B: c"),
    "a zero in a value": ask(STATS, "X-A: b\0c"),
    "a zero in a name": ask(STATS, "X\0A: b"),
    "a byte of 255 in a name": ask(STATS, b"X\xffA: b"),
    "brackets in a name": ask(STATS, "X(A): b"),
    "no name": ask(STATS, ": b"),
    "no colon": ask(STATS, "nonsense"),
    "long headers": ask(STATS, "X-A: " + "b" * TOO_LONG),
    "many headers": ask(STATS, *["X-A: b"] * 12_000),
    "no chunk size": chunked(b"\r\n{}\r\n0\r\n\r\n"),
    "a chunk size that is none": chunked(b"zz\r\n{}\r\n0\r\n\r\n"),
    "a signed chunk size": chunked(b"+2\r\n{}\r\n0\r\n\r\n"),
    "a chunk size beyond 64 bits": chunked(b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
    "a chunk longer than it says": chunked(b"2\r\n{}{}\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_is_no_http_is_refused_once_as_a_problem(service: Service, kind: str) -> None:
    answer = only(answers(service.port, MALFORMED[kind]))
    assert (answer.status, answer.code, answer.headers["connection"]) == (400, "BAD_REQUEST", "close")
    assert answer.headers["x-content-type-options"] == "nosniff"


# --- what is HTTP, if seldom seen -------------------------------------------------------------------------------------


def test_the_old_protocol_is_answered_and_hung_up_on(service: Service) -> None:
    old = b"GET /api/stats HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    assert only(answers(service.port, old)).status == 200


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(service: Service) -> None:
    asked = ask("/api/me", BEARER, JSON, "Expect: 100-continue", "Content-Length: 2", method="PATCH", body=b"{}")
    found = answers(service.port, asked)
    assert [answer.status for answer in found] == [100, 200], found


def test_a_body_that_would_be_too_long_is_not_asked_for(service: Service) -> None:
    asked = ask("/api/me", JSON, "Expect: 100-continue", "Content-Length: 99999999", method="PATCH")
    assert only(answers(service.port, asked)).status == 413


def test_chunk_extensions_and_trailers_are_passed_over(service: Service) -> None:
    body = b'2;a=b;c="d"\r\n{}\r\n0;e\r\nX-Trailer: x\r\nAuthorization: Bearer x\r\n\r\n'
    asked = ask("/api/me", BEARER, JSON, "Transfer-Encoding: chunked", method="PATCH", body=body)
    assert only(answers(service.port, asked)).status == 200


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "nonsense"])
def test_another_protocol_is_not_taken_up(service: Service, protocol: str) -> None:
    asked = ask(
        STATS, f"Upgrade: {protocol}", "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==", "Sec-WebSocket-Version: 13"
    )
    asked = asked.replace(b"Connection: close", b"Connection: Upgrade")
    assert only(answers(service.port, asked + kept(ask(STATS)))).status == 200


def test_a_body_where_none_belongs_is_no_second_request(service: Service) -> None:
    inner = kept(ask("/api/me"))
    assert only(answers(service.port, ask(STATS, f"Content-Length: {len(inner)}", body=inner))).status == 200


# --- one after the other ----------------------------------------------------------------------------------------------


def test_requests_in_one_go_are_answered_in_their_order(service: Service) -> None:
    asked = kept(ask("/api/me")) + kept(ask(STATS)) + ask("/nowhere")
    assert [answer.status for answer in answers(service.port, asked)] == [401, 200, 404]


def test_nonsense_after_a_request_waits_for_the_answer_before_it(service: Service) -> None:
    asked = kept(ask("/api/me")) + kept(ask(STATS)) + b"nonsense\r\n\r\n"
    found = answers(service.port, asked)
    assert [answer.status for answer in found] == [401, 200, 400]
    assert found[-1].code == "BAD_REQUEST"


def test_a_broken_body_behind_another_request_has_the_one_refusal(service: Service) -> None:
    found = answers(service.port, kept(ask(STATS)) + chunked(b"zz\r\n") + kept(ask(STATS)))
    assert [answer.status for answer in found] == [200, 400]


def test_a_broken_rest_of_a_body_that_was_refused_has_no_answer_of_its_own(service: Service) -> None:
    asked = ask("/api/me", JSON, "Transfer-Encoding: chunked", method="PATCH", body=b"200000\r\n" + b"x" * 0x200000)
    assert only(answers(service.port, asked + b"nonsense\r\n")).status == 413


def test_one_read_does_not_become_thousands_of_requests(service: Service) -> None:
    found = answers(service.port, kept(ask("/health/live")) * 1_000)
    assert found[-1].status == 400
    assert 1 < len(found) < 40
    assert {answer.status for answer in found[:-1]} == {200}
