"""Clerk's backend API, asked for what a token does not say about a person seen for the first time."""

import asyncio
import json
from typing import Protocol
from urllib.parse import quote

import httpx
import structlog

from elevate_api.config import ClerkSettings
from elevate_api.users.identity import Identity, from_clerk

FETCH_SECONDS = 2.0
MAX_BODY_BYTES = 262_144
MAX_AT_ONCE = 4
"""Requests in flight. Each holds a connection of the pool meanwhile, so the rest go without: the webhook fills in."""

log = structlog.get_logger(__name__)


class Directory(Protocol):
    async def find(self, user_id: str) -> Identity | None:
        """Who that is; None when nobody knows or the answer takes too long. Never raises."""
        ...

    async def aclose(self) -> None: ...


class NoDirectory:
    """Without CLERK_SECRET_KEY there is nobody to ask."""

    async def find(self, user_id: str) -> Identity | None:  # noqa: ARG002  (the protocol's)
        return None

    async def aclose(self) -> None:
        return


class ClerkApi:
    """`GET <api>/users/<id>`, bounded to two seconds and 256 KiB."""

    def __init__(self, api_url: str, secret_key: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._api_url = api_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {secret_key}", "Accept": "application/json"}
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._places = asyncio.Semaphore(MAX_AT_ONCE)

    async def find(self, user_id: str) -> Identity | None:
        if self._places.locked():
            log.warning("clerk_lookup_skipped", reason="too many at once")
            return None
        try:
            async with self._places, asyncio.timeout(FETCH_SECONDS):
                return await self._fetch(user_id)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
            log.warning("clerk_lookup_failed", error=type(error).__name__)
            return None

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _fetch(self, user_id: str) -> Identity | None:
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=FETCH_SECONDS, headers=self._headers, transport=self._transport, follow_redirects=False
            )
        body = bytearray()
        async with self._client.stream("GET", f"{self._api_url}/users/{quote(user_id, safe='')}") as response:
            if response.status_code != httpx.codes.OK:
                log.warning("clerk_lookup_failed", status=response.status_code)
                return None
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise ValueError("an answer that is too long")
        document = json.loads(body)
        if not isinstance(document, dict) or document.get("id") != user_id:
            raise ValueError("an answer about somebody else")
        return from_clerk(document)


def build_directory(settings: ClerkSettings) -> Directory:
    """The directory of this process; whoever builds it closes it."""
    if settings.secret_key is None:
        return NoDirectory()
    return ClerkApi(settings.api_url, settings.secret_key.get_secret_value())
