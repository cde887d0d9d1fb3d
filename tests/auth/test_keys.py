"""Keys from a PEM and from a JWKS document, over a real socket and over one that fails at will."""

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import RSAAlgorithm
from tests.support import tokens
from tests.support.tokens import ISSUER, KEY_ID, private_key, public_pem

from elevate_api.auth import keys as subject
from elevate_api.auth.errors import SignInUnavailable, TokenRefused
from elevate_api.auth.keys import BadKey, JwksKeys, PemKey, parse_jwks, parse_pem
from elevate_api.auth.tokens import TokenVerifier

URL = "https://clerk.leaps.test/.well-known/jwks.json"


def entry(kid: str = KEY_ID) -> dict[str, Any]:
    jwk = RSAAlgorithm.to_jwk(private_key().public_key(), as_dict=True)
    return {**jwk, "kid": kid, "use": "sig", "alg": "RS256"}


def pem_of(key: Any) -> str:
    encoded: bytes = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encoded.decode()


class Clerk:
    """A transport that answers as it is told and counts."""

    def __init__(self, *kids: str) -> None:
        self.kids = list(kids)
        self.requests = 0
        self.failure: Exception | httpx.Response | None = None
        self.gate: asyncio.Event | None = None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        assert str(request.url) == URL
        self.requests += 1
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.failure, Exception):
            raise self.failure
        return self.failure or httpx.Response(200, json={"keys": [entry(kid) for kid in self.kids]})


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def clerk() -> Clerk:
    return Clerk("one")


@pytest.fixture
def source(clerk: Clerk, clock: Clock) -> JwksKeys:
    return JwksKeys(URL, transport=httpx.MockTransport(clerk), clock=clock)


async def settled(source: JwksKeys) -> None:
    """Wait for a fetch in the background."""
    if source._fetching is not None:
        await source._fetching


# --- PEM --------------------------------------------------------------------------------------------------------------


async def test_a_pem_serves_every_kid() -> None:
    key = PemKey(public_pem())

    assert await key.find(None) == await key.find("whatever") == private_key().public_key()


def test_a_pem_may_be_written_in_one_line() -> None:
    assert parse_pem("  " + public_pem().replace("\n", "\\n")) == private_key().public_key()


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "secret",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        pem_of(ec.generate_private_key(ec.SECP256R1()).public_key()),
        pem_of(rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()),  # noqa: S505
    ],
)
def test_a_pem_that_is_no_strong_rsa_key_is_refused(pem: str) -> None:
    with pytest.raises(BadKey):
        parse_pem(pem)


# --- JWKS documents ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"kid": None},
        {"kid": ""},
        {"kid": "k" * 257},
        {"kid": ["one"]},
        {"kty": "oct", "k": "AAAA"},
        {"use": "enc"},
        {"alg": "RS512"},
        {"alg": "HS256"},
        {"n": "AQAB"},
        {"n": 7},
        {"e": "AA"},
        {"d": "AQAB"},
    ],
)
def test_unfit_keys_are_passed_over(changes: dict[str, Any]) -> None:
    assert list(parse_jwks({"keys": [{**entry("bad"), **changes}, "text", None, entry("good")]})) == ["good"]


@pytest.mark.parametrize("document", [[], {}, {"keys": {}}, "keys", None])
def test_what_is_no_jwks_document_is_refused(document: Any) -> None:
    with pytest.raises(BadKey):
        parse_jwks(document)


def test_only_so_many_keys_are_read() -> None:
    assert len(parse_jwks({"keys": [entry(str(number)) for number in range(40)]})) == subject.MAX_KEYS


# --- fetching ---------------------------------------------------------------------------------------------------------


async def test_a_document_is_fetched_once_for_all_who_wait(source: JwksKeys, clerk: Clerk) -> None:
    clerk.gate = asyncio.Event()
    waiting = [asyncio.create_task(source.find("one")) for _ in range(20)]
    await asyncio.sleep(0)
    clerk.gate.set()

    assert all(key == private_key().public_key() for key in await asyncio.gather(*waiting))
    assert clerk.requests == 1


async def test_a_caller_who_hangs_up_does_not_stop_the_fetch(source: JwksKeys, clerk: Clerk) -> None:
    clerk.gate = asyncio.Event()
    impatient, patient = asyncio.create_task(source.find("one")), asyncio.create_task(source.find("one"))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    clerk.gate.set()

    assert await patient == private_key().public_key()
    assert clerk.requests == 1


async def test_a_rotated_key_is_found(source: JwksKeys, clerk: Clerk, clock: Clock) -> None:
    await source.find("one")
    clerk.kids = ["two"]
    clock.now += subject.COOL_DOWN_SECONDS

    assert await source.find("two") == private_key().public_key()
    with pytest.raises(TokenRefused):
        await source.find("one")


async def test_made_up_kids_cost_one_fetch_in_a_cool_down(source: JwksKeys, clerk: Clerk, clock: Clock) -> None:
    await source.find("one")
    clock.now += subject.COOL_DOWN_SECONDS
    for kid in ("../../etc/passwd", "' OR 1=1 --", "https://evil.test/key", "\x00", "two"):
        with pytest.raises(TokenRefused):
            await source.find(kid)

    assert clerk.requests == 2
    assert await source.find("one") == private_key().public_key()


async def test_a_token_must_name_its_key(source: JwksKeys, clerk: Clerk) -> None:
    with pytest.raises(TokenRefused):
        await source.find(None)
    assert clerk.requests == 0


FAILURES = [
    httpx.ConnectError("refused"),
    httpx.ReadTimeout("slow"),
    httpx.Response(500),
    httpx.Response(302, headers={"Location": "https://evil.test"}),
    httpx.Response(200, text="<html>"),
    httpx.Response(200, content=b"[" * 60_000),
    httpx.Response(200, json={"keys": []}),
    httpx.Response(200, content=b'{"keys": ["' + b"x" * 70_000 + b'"]}'),
]


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
async def test_the_cache_serves_on_when_a_fetch_fails(
    source: JwksKeys, clerk: Clerk, clock: Clock, failure: Exception | httpx.Response
) -> None:
    await source.find("one")
    clerk.failure = failure
    clock.now += subject.FRESH_SECONDS + 1

    assert await source.find("one") == private_key().public_key()
    await settled(source)
    assert clerk.requests == 2
    assert await source.find("one") == private_key().public_key()
    with pytest.raises(TokenRefused):
        await source.find("two")


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
async def test_without_any_key_nobody_is_judged_and_it_recovers(
    source: JwksKeys, clerk: Clerk, clock: Clock, failure: Exception | httpx.Response
) -> None:
    clerk.failure = failure
    for _ in range(3):
        with pytest.raises(SignInUnavailable):
            await source.find("one")
    assert clerk.requests == 1

    clerk.failure = None
    clock.now += subject.EMPTY_COOL_DOWN_SECONDS
    assert await source.find("one") == private_key().public_key()


async def test_an_old_document_is_renewed_without_waiting(source: JwksKeys, clerk: Clerk, clock: Clock) -> None:
    await source.find("one")
    clerk.gate, clerk.kids = asyncio.Event(), ["two"]
    clock.now += subject.FRESH_SECONDS + 1

    assert await source.find("one") == private_key().public_key()
    clerk.gate.set()
    await settled(source)
    with pytest.raises(TokenRefused):
        await source.find("one")


async def test_a_server_that_never_answers_is_given_up(
    source: JwksKeys, clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "FETCH_SECONDS", 0.01)
    clerk.gate = asyncio.Event()

    with pytest.raises(SignInUnavailable):
        await source.find("one")


async def test_closing_ends_a_fetch(source: JwksKeys, clerk: Clerk) -> None:
    clerk.gate = asyncio.Event()
    waiting = asyncio.create_task(source.find("one"))
    await asyncio.sleep(0)
    await source.aclose()

    with pytest.raises(asyncio.CancelledError):
        await waiting


# --- over a socket ----------------------------------------------------------------------------------------------------


@pytest.fixture
def jwks_url() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"keys": [entry("other"), entry()]}).encode()
            self.send_response(200 if self.path == "/.well-known/jwks.json" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/.well-known/jwks.json"
        server.shutdown()
        thread.join()


async def test_a_token_is_verified_against_a_document_on_the_network(jwks_url: str) -> None:
    verifier = TokenVerifier(JwksKeys(jwks_url), issuer=ISSUER)

    assert (await verifier.verify(tokens.token("user_7"))).sub == "user_7"
    await verifier.aclose()


async def test_an_address_that_answers_nothing_leaves_nobody_judged(jwks_url: str) -> None:
    verifier = TokenVerifier(JwksKeys(jwks_url + "/elsewhere"), issuer=ISSUER)

    with pytest.raises(SignInUnavailable):
        await verifier.verify(tokens.token("user_7"))
    await verifier.aclose()
