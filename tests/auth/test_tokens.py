"""What makes a token good, and every way in which it is not."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from tests.support import tokens
from tests.support.tokens import ISSUER, KEY_ID, private_key, public_pem

from elevate_api.auth import tokens as subject
from elevate_api.auth.claims import Claims
from elevate_api.auth.errors import TokenRefused
from elevate_api.auth.keys import PemKey
from elevate_api.auth.tokens import TokenVerifier

Refuse = Callable[[str], Awaitable[str]]
NOW = 1_750_000_000


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(clock: Clock) -> TokenVerifier:
    return TokenVerifier(PemKey(public_pem()), issuer=ISSUER, authorized_parties=["https://leaps.test"], clock=clock)


@pytest.fixture
def refuse(verifier: TokenVerifier) -> Refuse:
    """Expect a refusal, answer its reason."""

    async def refuse(token: str) -> str:
        with pytest.raises(TokenRefused) as caught:
            await verifier.verify(token)
        assert caught.value.detail == "A valid bearer token is required."
        assert caught.value.headers == {"WWW-Authenticate": "Bearer"}
        return caught.value.reason

    return refuse


def signed(*, header: Any = None, key: Any = None, **claims: Any) -> str:
    """A good token of NOW, but for what is given; None leaves a claim out."""
    payload = {"sub": "user_1", "iss": ISSUER, "iat": NOW, "nbf": NOW, "exp": NOW + 60, **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    return by_hand({"alg": "RS256", "typ": "JWT", "kid": KEY_ID, **(header or {})}, payload, key)


def by_hand(header: Any, payload: Any, key: Any = None) -> str:
    """Signs whatever it is given: the library would refuse to make most of these tokens."""
    signing_input = ".".join(part(json.dumps(each).encode()) for each in (header, payload))
    algorithm = jwt.get_algorithm_by_name("RS256")
    return f"{signing_input}.{part(algorithm.sign(signing_input.encode(), key or private_key()))}"


def part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def test_a_good_token_tells_who_its_bearer_is(verifier: TokenVerifier) -> None:
    claims = await verifier.verify(
        signed(
            email="siti@school.test",
            name="Siti  Nurhaliza",
            username="siti",
            picture="https://img.test/1",
            sid="sess_1",
        )
    )

    assert (claims.sub, claims.sid, claims.issued_at.timestamp()) == ("user_1", "sess_1", NOW)
    assert (claims.email, claims.email_verified) == ("siti@school.test", True)
    assert (claims.name, claims.username, claims.picture) == ("Siti Nurhaliza", "siti", "https://img.test/1")


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "not a token"),
        ("one.two", "not a token"),
        ("a.b.c.d", "not a token"),
        ("a b.c.d", "not a token"),
        ("é.ß.ü", "not a token"),
        ("a." + "b" * 8192 + ".c", "not a token"),
        ("abc.def.ghi", "malformed header"),
        (part(b"[]") + ".e30.AA", "malformed header"),
        (part(b"[" * 5000) + ".e30.AA", "malformed header"),
        (part(b'{"alg":' + b"1" * 5000 + b"}") + ".e30.AA", "malformed header"),
        (part(b'{"alg":"RS256"}') + ".e30.", "not a token"),
    ],
)
async def test_what_is_no_token_is_refused(refuse: Refuse, token: str, reason: str) -> None:
    assert await refuse(token) == reason


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "", "HS256", "RS384", "PS256", "ES256", "EdDSA", 7, None, ["RS256"]]
)
async def test_only_rs256_counts_whatever_the_header_says(refuse: Refuse, algorithm: Any) -> None:
    assert await refuse(signed(header={"alg": algorithm})) in {"another algorithm", "malformed header"}


async def test_the_public_key_is_no_hmac_secret(refuse: Refuse) -> None:
    """The classic confusion: HS256 with the PEM, which everybody may know, as its secret."""
    header, payload = {"alg": "HS256", "typ": "JWT"}, {"sub": "user_1", "iss": ISSUER, "iat": NOW, "exp": NOW + 60}
    signing_input = ".".join(part(json.dumps(each).encode()) for each in (header, payload))
    mac = hmac.new(public_pem().encode(), signing_input.encode(), hashlib.sha256).digest()

    assert await refuse(f"{signing_input}.{part(mac)}") == "another algorithm"
    as_rs256 = by_hand({"alg": "RS256"}, payload).rsplit(".", 1)[0]
    mac = hmac.new(public_pem().encode(), as_rs256.encode(), hashlib.sha256).digest()
    assert await refuse(f"{as_rs256}.{part(mac)}") == "InvalidSignatureError"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"crit": ["b64"], "b64": True}, "critical header"),
        ({"crit": ["exp"], "exp": 1}, "malformed header"),
        ({"b64": False}, "malformed header"),
        ({"b64": True}, "critical header"),
        ({"typ": "at+jwt"}, "another kind of token"),
        ({"typ": 1}, "another kind of token"),
        ({"kid": ""}, "no usable kid"),
        ({"kid": "k" * 257}, "no usable kid"),
        ({"kid": {"a": 1}}, "malformed header"),
    ],
)
async def test_strange_headers_are_refused(refuse: Refuse, header: dict[str, Any], reason: str) -> None:
    assert await refuse(signed(header=header)) == reason


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
async def test_keys_that_a_token_brings_along_are_not_used(refuse: Refuse, name: str) -> None:
    own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    given = jwt.algorithms.RSAAlgorithm.to_jwk(own.public_key(), as_dict=True) if name == "jwk" else "https://evil.test"

    assert await refuse(signed(header={name: given}, key=own)) == "InvalidSignatureError"


async def test_a_changed_payload_is_refused(refuse: Refuse) -> None:
    header, _, signature = signed().split(".")
    forged = part(json.dumps({"sub": "user_2", "iss": ISSUER, "iat": NOW, "exp": NOW + 60}).encode())

    assert await refuse(f"{header}.{forged}.{signature}") == "InvalidSignatureError"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://clerk.other.test"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"iss": [ISSUER]}, "another issuer"),
        ({"azp": "https://evil.test"}, "azp is not in the allow-list"),
        ({"azp": ""}, "azp is not in the allow-list"),
        ({"azp": ["https://leaps.test"]}, "azp is not in the allow-list"),
        ({"sts": "pending"}, "session is not active"),
        ({"sts": "PENDING"}, "session is not active"),
        ({"sub": None}, "MissingRequiredClaimError"),
        ({"sub": ""}, "no usable sub"),
        ({"sub": 7}, "no usable sub"),
        ({"sub": "u" * 256}, "no usable sub"),
        ({"sub": "user/../1"}, "no usable sub"),
        ({"sub": "user 1"}, "no usable sub"),
        ({"sub": "user\x001"}, "no usable sub"),
        ({"sub": "user_１"}, "no usable sub"),
        ({"sub": ".."}, "no usable sub"),
        ({"exp": None}, "MissingRequiredClaimError"),
        ({"iat": None}, "MissingRequiredClaimError"),
        ({"exp": str(NOW + 60)}, "exp is no time"),
        ({"exp": True}, "exp is no time"),
        ({"exp": float("inf")}, "exp is no time"),
        ({"exp": float("nan")}, "exp is no time"),
        ({"exp": 10**30}, "exp is out of range"),
        ({"iat": -(10**15)}, "iat is out of range"),
        ({"nbf": "now"}, "nbf is no time"),
    ],
)
async def test_claims_that_do_not_hold_are_refused(refuse: Refuse, claims: dict[str, Any], reason: str) -> None:
    assert await refuse(signed(**claims)) == reason


@pytest.mark.parametrize("payload", [[], "text", 7, None])
async def test_a_payload_that_is_no_object_is_refused(refuse: Refuse, payload: Any) -> None:
    assert await refuse(by_hand({"alg": "RS256"}, payload)) == "DecodeError"


@pytest.mark.parametrize("azp", ["https://leaps.test", "https://leaps.test/", None])
async def test_a_listed_party_or_none_is_let_in(verifier: TokenVerifier, azp: str | None) -> None:
    assert (await verifier.verify(signed(azp=azp))).sub == "user_1"


async def test_without_a_list_any_party_is_let_in(clock: Clock) -> None:
    verifier = TokenVerifier(PemKey(public_pem()), issuer=ISSUER + "/", clock=clock)

    assert (await verifier.verify(signed(azp="https://anything.test"))).sub == "user_1"


@pytest.mark.parametrize(("claim", "offset"), [("exp", -4), ("nbf", 5), ("iat", 5)])
async def test_clocks_may_differ_by_five_seconds(verifier: TokenVerifier, claim: str, offset: int) -> None:
    assert (await verifier.verify(signed(**{claim: NOW + offset}))).sub == "user_1"


@pytest.mark.parametrize(("claim", "offset"), [("exp", -5), ("nbf", 6), ("iat", 6)])
async def test_clocks_may_not_differ_by_more(refuse: Refuse, claim: str, offset: int) -> None:
    assert await refuse(signed(**{claim: NOW + offset})) in {"expired", "not valid yet"}


async def test_a_remembered_token_expires_all_the_same(verifier: TokenVerifier, clock: Clock, refuse: Refuse) -> None:
    token = signed(exp=NOW + 10)
    first = await verifier.verify(token)
    clock.now = NOW + 14
    assert await verifier.verify(token) is first
    clock.now = NOW + 15
    assert await refuse(token) == "expired"


async def test_a_long_token_is_verified_again_every_minute(clock: Clock) -> None:
    class Counting(PemKey):
        asked = 0

        async def find(self, kid: str | None) -> rsa.RSAPublicKey:
            self.asked += 1
            return await super().find(kid)

    keys = Counting(public_pem())
    verifier, token = TokenVerifier(keys, issuer=ISSUER, clock=clock), signed(exp=NOW + 3600)
    for now, asked in ((NOW, 1), (NOW + 59, 1), (NOW + 60, 2)):
        clock.now = now
        await verifier.verify(token)
        assert keys.asked == asked


async def test_only_so_many_tokens_are_remembered(verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "REMEMBERED_TOKENS", 3)
    for number in range(5):
        await verifier.verify(signed(sub=f"user_{number}"))

    assert len(verifier._verified) == 3


@given(
    st.text(max_size=300) | st.binary(max_size=200).map(part) | st.lists(st.text("abc-_=", max_size=9)).map(".".join)
)
def test_no_text_breaks_the_verifier(text: str) -> None:
    verifier = TokenVerifier(PemKey(public_pem()), issuer=ISSUER)
    with pytest.raises(TokenRefused):
        asyncio.run(verifier.verify(text))


@given(
    st.dictionaries(
        st.sampled_from(
            ["sub", "iss", "exp", "iat", "nbf", "azp", "sts", "email", "email_verified", "name", "picture"]
        ),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2),
    )
)
def test_no_signed_payload_breaks_the_verifier(payload: dict[str, Any]) -> None:
    verifier = TokenVerifier(PemKey(public_pem()), issuer=None)
    good = {"sub": "user_1", "iat": int(time.time()), "exp": int(time.time()) + 60}
    token = by_hand({"alg": "RS256"}, {**good, **payload})
    try:
        claims = asyncio.run(verifier.verify(token))
    except TokenRefused:
        return
    assert isinstance(claims, Claims)
    assert claims.email is not None or not claims.email_verified


async def test_the_shared_test_tokens_are_good() -> None:
    verifier = TokenVerifier(PemKey(public_pem()), issuer=ISSUER)

    assert (await verifier.verify(tokens.token("user_9"))).sub == "user_9"
