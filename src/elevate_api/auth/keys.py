"""Where the keys come from that tokens are verified with: a PEM, or Clerk's JWKS document."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import httpx
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import PyJWTError
from jwt.algorithms import RSAAlgorithm

from elevate_api.auth.errors import SignInUnavailable, TokenRefused

MIN_KEY_BITS = 2048  # NIST SP 800-131A
MAX_KID = 256
FETCH_SECONDS = 2.0
MAX_DOCUMENT_BYTES = 65_536
MAX_KEYS = 32
FRESH_SECONDS = 3600.0
"""Age from which the document is fetched again, while the old keys go on serving."""

COOL_DOWN_SECONDS = 10.0
"""Least time between two fetches, however many tokens with unknown kids arrive."""

EMPTY_COOL_DOWN_SECONDS = 1.0
"""The same while no key is known at all and nobody can sign in."""

log = structlog.get_logger(__name__)


class KeySource(Protocol):
    async def find(self, kid: str | None) -> RSAPublicKey:
        """The key that a token names. Raises TokenRefused, or SignInUnavailable when no key can be had."""
        ...

    async def aclose(self) -> None: ...


class BadKey(ValueError):
    """No RSA public key of at least 2048 bits."""


class PemKey:
    """One fixed key: no network, and the token's kid does not matter."""

    def __init__(self, pem: str) -> None:
        self._key = parse_pem(pem)

    async def find(self, kid: str | None) -> RSAPublicKey:  # noqa: ARG002  (the protocol's)
        return self._key

    async def aclose(self) -> None:
        return


def parse_pem(pem: str) -> RSAPublicKey:
    r"""Read a public key; newlines may be written as `\n`, as hosting panels make people do. Raises BadKey."""
    try:
        key = load_pem_public_key(pem.replace("\\n", "\n").strip().encode())
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("not a public key in PEM form") from None
    return _accepted(key)


def parse_jwks(document: Any) -> dict[str, RSAPublicKey]:
    """The usable keys of a JWKS document by kid: RSA, for RS256 signatures, public. Others are passed over."""
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise BadKey("not a JWKS document")
    keys: dict[str, RSAPublicKey] = {}
    for entry in entries[:MAX_KEYS]:
        if isinstance(entry, dict) and _usable(entry):
            try:
                keys[entry["kid"]] = _accepted(RSAAlgorithm.from_jwk(entry))
            except (BadKey, PyJWTError, ValueError, TypeError):
                log.warning("jwks_key_unusable")
    return keys


def _usable(entry: Mapping[str, Any]) -> bool:
    kid = entry.get("kid")
    return (
        isinstance(kid, str)
        and 0 < len(kid) <= MAX_KID
        and entry.get("kty") == "RSA"
        and entry.get("use", "sig") == "sig"
        and entry.get("alg", "RS256") == "RS256"
        and "d" not in entry  # somebody published a private key
    )


def _accepted(key: object) -> RSAPublicKey:
    if not isinstance(key, RSAPublicKey):
        raise BadKey("not an RSA public key")
    if key.key_size < MIN_KEY_BITS:
        raise BadKey(f"an RSA key of fewer than {MIN_KEY_BITS} bits")
    return key


class JwksKeys:
    """Keys of a JWKS document, cached. One fetch at a time, bounded in time and size; a failed one changes nothing."""

    def __init__(
        self,
        url: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._transport = transport
        self._clock = clock
        self._client: httpx.AsyncClient | None = None
        self._keys: dict[str, RSAPublicKey] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str | None) -> RSAPublicKey:
        if kid is None:
            raise TokenRefused("no kid")
        if kid not in self._keys and self._may_fetch():
            await asyncio.shield(self._fetch_once())  # a caller who hangs up must not cancel it for the others
        elif self._clock() - self._fetched_at > FRESH_SECONDS and self._may_fetch():
            self._fetch_once()
        if kid in self._keys:
            return self._keys[kid]
        if not self._keys:
            raise SignInUnavailable
        raise TokenRefused("unknown kid")

    async def aclose(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
            self._fetching = None
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _may_fetch(self) -> bool:
        pause = COOL_DOWN_SECONDS if self._keys else EMPTY_COOL_DOWN_SECONDS
        return self._fetching is not None or self._clock() - self._tried_at >= pause

    def _fetch_once(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._refresh(), name="jwks")
            self._fetching.add_done_callback(self._fetched)
        return self._fetching

    def _fetched(self, _task: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                keys = parse_jwks(json.loads(await self._download()))
            if not keys:
                raise BadKey("a JWKS document without a usable key")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
            log.warning("jwks_fetch_failed", url=self._url, error=repr(error), cached_keys=len(self._keys))
        else:
            self._keys, self._fetched_at = keys, self._clock()
        finally:
            self._tried_at = self._clock()

    async def _download(self) -> bytes:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=FETCH_SECONDS, transport=self._transport, follow_redirects=False)
        body = bytearray()
        async with self._client.stream("GET", self._url, headers={"Accept": "application/json"}) as response:
            if response.status_code != httpx.codes.OK:
                raise BadKey(f"status {response.status_code}")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_DOCUMENT_BYTES:
                    raise BadKey("a document that is too long")
        return bytes(body)
