"""Supabase Storage over its REST API (shared/integrations.md). The bucket is private and made by the operator."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx
import structlog

from elevate_api.attachments.errors import StorageUnavailable
from elevate_api.attachments.names import ContentType
from elevate_api.attachments.storage import (
    DOWNLOAD_LIFETIME,
    UPLOAD_LIFETIME,
    ObjectMissing,
    SignedUpload,
    prefix_of,
)
from elevate_api.kit.clock import utcnow

PATIENCE_SECONDS = 10.0
MAX_AT_ONCE = 8
"""Calls in flight. The request behind each may hold a connection of the pool meanwhile, so the rest are turned away."""

LIST_PAGE = 1000
REMOVE_PAGE = 100
SIGN_MARGIN = timedelta(minutes=1)
"""How much earlier an upload URL is said to end than it does: the clocks of two machines differ."""

log = structlog.get_logger(__name__)


class SupabaseStorage:
    """`url` is the project's (`https://<ref>.supabase.co`); `key` a `sb_secret_...` or a `service_role` JWT.

    Both kinds go into both headers: the gateway takes an opaque key as bearer only where it equals `apikey`.
    """

    def __init__(self, url: str, key: str, bucket: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._base = f"{url.rstrip('/')}/storage/v1"
        self._bucket = quote(bucket, safe="")
        self._headers = {"apikey": key, "Authorization": f"Bearer {key}"}
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._places = asyncio.Semaphore(MAX_AT_ONCE)

    async def sign_upload(self, key: str, kind: ContentType, size: int) -> SignedUpload:  # noqa: ARG002 - the bucket's own limit counts
        try:
            answer = await self._call("POST", f"/object/upload/sign/{self._bucket}/{key}", json={})
        except ObjectMissing as error:  # the bucket is
            log.exception("storage_bucket_missing", bucket=self._bucket)
            raise StorageUnavailable from error
        url = self._member(answer, "url")
        ends = utcnow() + UPLOAD_LIFETIME - SIGN_MARGIN
        return SignedUpload(f"{self._base}{url}", {"Content-Type": kind.value, "x-upsert": "false"}, ends)

    async def sign_download(self, key: str, kind: ContentType, name: str) -> str:  # noqa: ARG002 - stored with the object
        lifetime = int(DOWNLOAD_LIFETIME.total_seconds())
        answer = await self._call("POST", f"/object/sign/{self._bucket}/{key}", json={"expiresIn": lifetime})
        return f"{self._base}{self._member(answer, 'signedURL')}&download={quote(name, safe='')}"

    async def read(self, key: str) -> AsyncIterator[bytes]:
        url = f"{self._base}/object/{self._bucket}/{key}"
        async with self._turn() as client, client.stream("GET", url) as response:
            if response.status_code != HTTPStatus.OK:
                await response.aread()
                self._refuse(response)
            async for piece in response.aiter_bytes(65_536):
                yield piece

    async def remove(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), REMOVE_PAGE):
            page = list(keys[start : start + REMOVE_PAGE])
            await self._call("DELETE", f"/object/{self._bucket}", json={"prefixes": page})

    async def keys_of(self, day: date) -> AsyncIterator[tuple[str, datetime]]:
        prefix, offset = prefix_of(day), 0
        while True:
            wanted = {
                "prefix": prefix,
                "limit": LIST_PAGE,
                "offset": offset,
                "sortBy": {"column": "name", "order": "asc"},
            }
            found = await self._call("POST", f"/object/list/{self._bucket}", json=wanted)
            if not isinstance(found, list):
                raise StorageUnavailable
            for item in found:
                if item.get("id") is not None:  # folders have none
                    yield f"{prefix}/{item['name']}", datetime.fromisoformat(item["created_at"])
            if len(found) < LIST_PAGE:
                return
            offset += LIST_PAGE

    async def tidy(self) -> int:
        return 0  # the service keeps nothing of an upload that broke off

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _call(self, method: str, path: str, *, json: Any) -> Any:
        async with self._turn() as client:
            response = await client.request(method, f"{self._base}{path}", json=json)
            if response.status_code != HTTPStatus.OK:
                self._refuse(response)
            return response.json()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[httpx.AsyncClient]:
        """The client, for one call at a time of a few. Raises StorageUnavailable for whatever the network does."""
        if self._places.locked():
            raise StorageUnavailable
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=PATIENCE_SECONDS, headers=self._headers, transport=self._transport, follow_redirects=False
            )
        try:
            async with self._places:
                yield self._client
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            log.warning("storage_failed", error=type(error).__name__)
            raise StorageUnavailable from error

    def _refuse(self, response: httpx.Response) -> None:
        """Raise what a bad answer means. Older versions say 400 with the real status in the body."""
        status = response.status_code
        with suppress(ValueError, AttributeError, TypeError):
            status = int(response.json().get("statusCode", status))
        if status == HTTPStatus.NOT_FOUND:
            raise ObjectMissing(response.request.url.path)
        log.warning("storage_failed", status=status)
        raise StorageUnavailable

    @staticmethod
    def _member(answer: Any, name: str) -> str:
        value = answer.get(name) if isinstance(answer, dict) else None
        if not isinstance(value, str) or not value.startswith("/"):
            raise StorageUnavailable
        return value
