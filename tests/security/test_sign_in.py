"""Attacks on sign-in through the door itself: whatever is tried is answered alike, and never by an error."""

import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI
from tests.auth.test_tokens import by_hand, part
from tests.support.tokens import ISSUER, KEY_ID, token

from elevate_api.auth.keys import JwksKeys
from elevate_api.auth.tokens import TokenVerifier

OWN = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KIDS = (
    "../../../../dev/null", "/proc/self/environ", "file:///etc/passwd", "https://evil.test/jwks.json",
    "x' OR '1'='1", "'; DROP TABLE users; --", "\x00", "a" * 256, "{{7*7}}", "$(id)", "test-key\n", "TEST-KEY",
)  # fmt: skip


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"sub": "user_1", "iss": ISSUER, "iat": now, "nbf": now, "exp": now + 60, **changes}


def headers(**changes: Any) -> dict[str, Any]:
    return {"alg": "RS256", "typ": "JWT", "kid": KEY_ID, **changes}


def doubled() -> str:
    """Two subs: one reader takes the first, another the last. Signed as it stands, as no issuer would."""
    now = int(time.time())
    payload = f'{{"sub":"user_1","sub":"superadmin","iss":"{ISSUER}","iat":{now},"exp":{now + 60}}}'
    words = ".".join((part(b'{"alg":"RS256","alg":"none","kid":"test-key"}'), part(payload.encode())))
    return f"{words}.{part(jwt.get_algorithm_by_name('RS256').sign(words.encode(), OWN))}"


def forged() -> list[str]:
    good, jwk = token("user_1"), jwt.algorithms.RSAAlgorithm.to_jwk(OWN.public_key(), as_dict=True)
    head, body, _ = good.split(".")
    unsigned = part(b'{"alg":"none","typ":"JWT"}') + f".{body}."
    return [
        unsigned, f"{unsigned}AA", f"{head}.{body}.", f"{head}.{body}", f"{head}.{body}.AAAA", f"{good}.x",
        good + "A" * 9000,
        *(by_hand(headers(kid=kid), claims(), OWN) for kid in KIDS),
        *(by_hand(headers(**{name: "https://evil.test/keys"}), claims(), OWN) for name in ("jku", "x5u", "x5c")),
        by_hand(headers(jwk=jwk), claims(), OWN),
        by_hand(headers(), claims(iss="https://evil.test")),
        by_hand(headers(), claims(exp=int(time.time()) - 60)),
        by_hand(headers(), claims(nbf=int(time.time()) + 60)),
        by_hand(headers(), claims(sub="superadmin' --")),
        by_hand(headers(), claims(sts="pending")),
        doubled(),
    ]  # fmt: skip


async def test_no_forgery_gets_in_and_every_one_is_answered_alike(client: httpx.AsyncClient) -> None:
    answers = []
    for one in forged():
        answer = await client.get("/api/me", headers={"Authorization": f"Bearer {one}"})
        told = {key: value for key, value in answer.json().items() if key != "request_id"}
        answers.append((answer.status_code, answer.headers.get("www-authenticate"), tuple(told.items())))
    assert len(answers) > 25
    assert {answer[0] for answer in answers} == {401}
    assert len(set(answers)) == 1


async def test_a_token_that_is_no_good_does_not_close_what_is_public(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/leaderboard", headers={"Authorization": f"Bearer {forged()[0]}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("failure", [httpx.ConnectError("down"), httpx.ReadTimeout("slow"), "not json", 500])
async def test_without_keys_nobody_is_judged(app: FastAPI, client: httpx.AsyncClient, failure: Any) -> None:
    """503 with Retry-After: a front end that got 401 would sign everybody out."""

    def answer(_request: httpx.Request) -> httpx.Response:
        if isinstance(failure, Exception):
            raise failure
        return httpx.Response(failure if isinstance(failure, int) else 200, text="not json")

    keys = JwksKeys("https://clerk.test/jwks.json", transport=httpx.MockTransport(answer))
    app.state.verifier = TokenVerifier(keys, issuer=ISSUER)
    refused = await client.get("/api/me", headers={"Authorization": f"Bearer {token('user_1')}"})
    assert (refused.status_code, refused.json()["code"]) == (503, "SIGN_IN_UNAVAILABLE")
    assert int(refused.headers["retry-after"]) > 0
    assert (await client.get("/api/stats")).status_code == 200
