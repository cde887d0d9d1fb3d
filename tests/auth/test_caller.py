"""The token of a request: header, cookie, and pages of other sites that make a browser send the cookie."""

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI, Request
from httpx import ASGITransport, AsyncClient
from tests.support import tokens

from elevate_api.auth.caller import OptionalClaims, VerifiedClaims, optional_claims, token_of
from elevate_api.auth.claims import Claims
from elevate_api.auth.errors import SignInUnavailable, TokenRefused
from elevate_api.auth.keys import PemKey
from elevate_api.auth.tokens import TokenVerifier
from elevate_api.config import AppSettings
from elevate_api.kit.problems import install

SITE = "https://leaps.test"


def request(method: str = "GET", **headers: str) -> Request:
    settings = SimpleNamespace(app=AppSettings.model_validate({"SITE_URL": SITE}))
    app = SimpleNamespace(state=SimpleNamespace(settings=settings))
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "headers": raw, "app": app})


@pytest.mark.parametrize("value", ["Bearer abc", "bearer abc", "BEARER  abc "])
def test_a_bearer_token_is_found(value: str) -> None:
    assert token_of(request("POST", authorization=value)) == "abc"


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic abc", "abc", "Token abc"])
def test_another_authorization_is_refused_even_beside_a_good_cookie(value: str) -> None:
    with pytest.raises(TokenRefused):
        token_of(request(authorization=value, cookie="__session=abc"))


def test_two_authorizations_are_refused() -> None:
    twice = request(authorization="Bearer abc")
    twice.scope["headers"] *= 2
    with pytest.raises(TokenRefused):
        token_of(Request(twice.scope))


@pytest.mark.parametrize("headers", [{}, {"cookie": "other=abc"}, {"cookie": "__session="}])
def test_without_a_token_there_is_none(headers: dict[str, str]) -> None:
    assert token_of(request(**headers)) is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_needs_nothing_but_the_cookie(method: str) -> None:
    assert token_of(request(method, cookie="a=1; __session=abc", sec_fetch_site="cross-site")) == "abc"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "cross-site", "origin": SITE},
        {"origin": SITE},
    ],
)
def test_own_pages_may_change_things_with_the_cookie(headers: dict[str, str]) -> None:
    assert token_of(request("POST", cookie="__session=abc", **headers)) == "abc"


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT", "TRACE"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": SITE + ".evil.test"},
        {"referer": SITE},
    ],
)
def test_other_sites_may_not(method: str, headers: dict[str, str]) -> None:
    with pytest.raises(TokenRefused):
        token_of(request(method, cookie="__session=abc", **headers))


class CountingVerifier(TokenVerifier):
    calls = 0

    async def verify(self, token: str) -> Claims:
        self.calls += 1
        return await super().verify(token)


def service() -> FastAPI:
    app = FastAPI()
    app.state.settings = SimpleNamespace(app=AppSettings.model_validate({}))
    app.state.verifier = CountingVerifier(PemKey(tokens.public_pem()), issuer=tokens.ISSUER)
    install(app, {})

    @app.get("/whoami")
    async def whoami(first: OptionalClaims, second: VerifiedClaims) -> str:
        assert first is second
        return second.sub

    @app.get("/perhaps")
    async def perhaps(claims: OptionalClaims) -> str | None:
        return claims.sub if claims else None

    return app


async def test_a_token_is_judged_once_a_request() -> None:
    app = service()
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        answer = await client.get("/whoami", headers=tokens.bearer("user_1"))

    assert answer.json() == "user_1"
    assert app.state.verifier.calls == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic abc"},
        tokens.bearer("user_1", iss="https://evil.test"),
        tokens.bearer("user_1", exp=1),
    ],
)
async def test_whatever_is_wrong_the_answer_is_the_same(headers: dict[str, str]) -> None:
    async with AsyncClient(transport=ASGITransport(service()), base_url="http://test") as client:
        refused, public = await client.get("/whoami", headers=headers), await client.get("/perhaps", headers=headers)

    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert refused.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = refused.json()
    assert (body["code"], body["detail"]) == ("UNAUTHENTICATED", "A valid bearer token is required.")
    assert (public.status_code, public.json()) == (200, None)


async def test_a_verifier_without_keys_makes_public_routes_anonymous() -> None:
    class NoKeys(TokenVerifier):
        async def verify(self, token: str) -> Claims:
            raise SignInUnavailable

    app = service()
    app.state.verifier = NoKeys(PemKey(tokens.public_pem()), issuer=None)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        refused = await client.get("/whoami", headers=tokens.bearer("user_1"))
        public = await client.get("/perhaps", headers=tokens.bearer("user_1"))

    assert (refused.status_code, refused.json()["code"]) == (503, "SIGN_IN_UNAVAILABLE")
    assert int(refused.headers["Retry-After"]) > 0
    assert (public.status_code, public.json()) == (200, None)


async def test_optional_claims_need_no_dependency_injection() -> None:
    bare = request(authorization=tokens.bearer("user_1")["Authorization"])
    bare.app.state.verifier = TokenVerifier(PemKey(tokens.public_pem()), issuer=tokens.ISSUER)

    claims = await optional_claims(bare)

    assert claims is not None
    assert claims.sub == "user_1"
