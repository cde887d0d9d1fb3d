"""Whose request is it? From the request's token to verified claims, once a request."""

from typing import Annotated, cast

import structlog
from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPBearer

from elevate_api.auth.claims import Claims
from elevate_api.auth.errors import SignInUnavailable, TokenRefused
from elevate_api.auth.tokens import TokenVerifier
from elevate_api.kit.problems import Problem, Unauthenticated

COOKIE = "__session"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110, 9.2.1, without TRACE
_OWN_SITE = frozenset({"same-origin", "none"})
_VERDICT = "auth_verdict"

log = structlog.get_logger(__name__)

bearer = HTTPBearer(
    scheme_name="SessionToken", bearerFormat="JWT", description="A Clerk session token.", auto_error=False
)
cookie = APIKeyCookie(
    name=COOKIE,
    scheme_name="SessionCookie",
    description="Clerk's session cookie, for pages of the same origin: a request that changes something must come "
    "from this origin (`Sec-Fetch-Site`) or from an allowed one (`Origin`).",
    auto_error=False,
)


def token_of(request: Request) -> str | None:
    """The token that the request carries; None without one. An Authorization header decides over a cookie.

    Raises TokenRefused for what is no single bearer token, and for a cookie that another site may have made the
    browser send.
    """
    given = request.headers.getlist("authorization")
    if given:
        scheme, _, token = given[0].partition(" ")
        if len(given) > 1 or scheme.lower() != "bearer" or not token.strip():
            raise TokenRefused("not one bearer token")
        return token.strip()
    token = request.cookies.get(COOKIE, "")
    if not token:
        return None
    if request.method not in _SAFE_METHODS and not _from_own_page(request):
        raise TokenRefused("cookie from another site")
    return token


def _from_own_page(request: Request) -> bool:
    """Browsers send the cookie along with other sites' forms; these two headers no page can forge."""
    if request.headers.get("sec-fetch-site") in _OWN_SITE:
        return True
    return request.headers.get("origin", "").rstrip("/") in request.app.state.settings.app.browser_origins


async def verdict(request: Request) -> Claims | Problem:
    """The caller's claims, or the problem that answers routes which need some; judged once a request."""
    known: Claims | Problem | None = getattr(request.state, _VERDICT, None)
    if known is None:
        known = await _judge(request)
        setattr(request.state, _VERDICT, known)
    return known


async def _judge(request: Request) -> Claims | Problem:
    try:
        token = token_of(request)
        if token is None:
            return Unauthenticated()
        return await cast("TokenVerifier", request.app.state.verifier).verify(token)
    except TokenRefused as refused:
        log.info("sign_in_refused", reason=refused.reason)
        return Unauthenticated()
    except SignInUnavailable as problem:
        return problem


async def optional_claims(request: Request) -> Claims | None:
    """Verified claims or None, without the database: what public routes and rate limits ask for."""
    found = await verdict(request)
    return found if isinstance(found, Claims) else None


async def verified_claims(
    request: Request, _bearer: Annotated[object, Depends(bearer)], _cookie: Annotated[object, Depends(cookie)]
) -> Claims:
    """Raises Unauthenticated or SignInUnavailable. The two parameters put the schemes into the OpenAPI document."""
    found = await verdict(request)
    if isinstance(found, Claims):
        return found
    raise found


OptionalClaims = Annotated[Claims | None, Depends(optional_claims)]
VerifiedClaims = Annotated[Claims, Depends(verified_claims)]
