"""Verifying Clerk's session tokens (shared/integrations.md): RS256 and nothing else, whatever the header says."""

import hashlib
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any

import jwt

from elevate_api.auth.claims import USER_ID, Claims, read_claims
from elevate_api.auth.errors import TokenRefused
from elevate_api.auth.keys import MAX_KID, KeySource

ALGORITHM = "RS256"
SKEW_SECONDS = 5
"""Clerk's own tolerance between its clock and ours."""

MAX_TOKEN = 8192
"""Characters. Clerk keeps session tokens below 4096, the limit of a cookie."""

REMEMBERED_TOKENS = 10_000
REMEMBERED_SECONDS = 60
"""How long a verified token is taken at its word, at most: also the time that a withdrawn key goes on working."""

_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_MALFORMED = (jwt.PyJWTError, ValueError, TypeError, RecursionError)


class TokenVerifier:
    """Tells who a token belongs to. `issuer` and `authorized_parties` are checked when they are given."""

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str | None,
        authorized_parties: Collection[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer.rstrip("/") if issuer else None
        self._parties = frozenset(party.rstrip("/") for party in authorized_parties)
        self._clock = clock
        self._verified: OrderedDict[bytes, tuple[float, Claims]] = OrderedDict()

    async def verify(self, token: str) -> Claims:
        """Raises TokenRefused, or SignInUnavailable when there is no key to judge by."""
        if len(token) > MAX_TOKEN or not _TOKEN.fullmatch(token):
            raise TokenRefused("not a token")
        name = hashlib.sha256(token.encode()).digest()
        remembered = self._remembered(name)
        if remembered is not None:
            return remembered
        key = await self._keys.find(_key_id(token))
        payload = _signed_payload(token, key)
        claims = self._judge(payload)
        self._remember(name, payload["exp"], claims)
        return claims

    async def aclose(self) -> None:
        await self._keys.aclose()

    def _judge(self, payload: dict[str, Any]) -> Claims:
        now = self._clock()
        if _time(payload, "exp") <= now - SKEW_SECONDS:
            raise TokenRefused("expired")
        issued_at = _time(payload, "iat")
        if issued_at > now + SKEW_SECONDS or ("nbf" in payload and _time(payload, "nbf") > now + SKEW_SECONDS):
            raise TokenRefused("not valid yet")
        self._judge_origin(payload)
        if payload.get("sts", "active") != "active":
            raise TokenRefused("session is not active")
        sub = payload.get("sub")
        if not isinstance(sub, str) or not USER_ID.fullmatch(sub):
            raise TokenRefused("no usable sub")
        return read_claims(payload, sub, issued_at)

    def _judge_origin(self, payload: dict[str, Any]) -> None:
        if self._issuer is not None:
            issuer = payload.get("iss")
            if not isinstance(issuer, str) or issuer.rstrip("/") != self._issuer:
                raise TokenRefused("another issuer")
        party = payload.get("azp")
        if party is not None and self._parties and not (isinstance(party, str) and party.rstrip("/") in self._parties):
            raise TokenRefused("azp is not in the allow-list")

    def _remembered(self, name: bytes) -> Claims | None:
        found = self._verified.get(name)
        if found is None:
            return None
        until, claims = found
        if until <= self._clock():
            del self._verified[name]
            return None
        self._verified.move_to_end(name)
        return claims

    def _remember(self, name: bytes, expires_at: float, claims: Claims) -> None:
        self._verified[name] = (min(expires_at + SKEW_SECONDS, self._clock() + REMEMBERED_SECONDS), claims)
        if len(self._verified) > REMEMBERED_TOKENS:
            self._verified.popitem(last=False)


def _key_id(token: str) -> str | None:
    """The kid, from a header that nothing has vouched for yet; no other word of it is believed."""
    try:
        header = jwt.get_unverified_header(token)
    except _MALFORMED:
        raise TokenRefused("malformed header") from None
    if header.get("alg") != ALGORITHM:
        raise TokenRefused("another algorithm")
    if "crit" in header or "b64" in header:
        raise TokenRefused("critical header")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.upper() != "JWT":  # Clerk signs OAuth tokens with the same keys: `at+jwt`
        raise TokenRefused("another kind of token")
    kid = header.get("kid")
    if kid is not None and (not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID):
        raise TokenRefused("no usable kid")
    return kid


def _signed_payload(token: str, key: Any) -> dict[str, Any]:
    """Check the signature. Times and parties are judged by `_judge`, in one place and by one clock."""
    options: Any = {"verify_signature": True, "require": ["sub", "exp", "iat"]}
    options |= {f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}
    try:
        payload: dict[str, Any] = jwt.decode(token, key, algorithms=[ALGORITHM], options=options)
    except _MALFORMED as error:
        raise TokenRefused(type(error).__name__) from None
    return payload


def _time(payload: dict[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519): a finite number of seconds, and no text."""
    value = payload.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TokenRefused(f"{name} is no time")
    if not 0 <= value < _YEAR_9999:
        raise TokenRefused(f"{name} is out of range")
    return value


_YEAR_9999 = 253_370_764_800
