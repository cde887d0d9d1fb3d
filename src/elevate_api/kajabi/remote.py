"""Kajabi's public API: client credentials, JSON:API pages, patience when it says "too many requests"."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self

import httpx
import structlog
from pydantic import SecretStr

from elevate_api.config import KajabiSettings, SettingsError

MEDIA_TYPE = "application/vnd.api+json"
TIMEOUT_SECONDS = 15.0
ATTEMPTS = 6
LONGEST_PAUSE = 120.0
"""Seconds; a Retry-After beyond this ends the pull, and the next one goes on."""
PAGE_SIZE = 100
MAX_PAGES = 100_000
_AGAIN = frozenset({429, 502, 503, 504})

log = structlog.get_logger(__name__)


class KajabiUnavailable(Exception):
    """The API cannot be used now. The message holds no secret and nothing personal."""


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact as the API lists it; `tag_ids` None where the list does not tell them."""

    id: str
    email: str | None
    tag_ids: frozenset[str] | None


class KajabiApi:
    """`async with KajabiApi.of(settings) as api`. Everything it raises is KajabiUnavailable."""

    def __init__(self, base_url: str, client_id: str, client_secret: SecretStr, *, first_pause: float = 1.0) -> None:
        self._base_url = base_url.rstrip("/")
        self._credentials = (client_id, client_secret)
        self._first_pause = first_pause
        self._token: str | None = None
        self._good_until = 0.0
        self._client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False)

    @classmethod
    def of(cls, settings: KajabiSettings) -> Self:
        """Raises SettingsError without credentials."""
        if settings.client_id is None or settings.client_secret is None:
            raise SettingsError("KAJABI_CLIENT_ID and KAJABI_CLIENT_SECRET: both are required for the Kajabi API")
        return cls(settings.api_url, settings.client_id, settings.client_secret)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def tag_ids(self, names: frozenset[str], site_id: str | None) -> dict[str, list[str]]:
        """Ids of the tags with these lower-case names; several, where sites or spellings share a name."""
        found: dict[str, list[str]] = {}
        async for page in self._pages("/contact_tags", _site(site_id)):
            for resource in page:
                name = str(_attributes(resource).get("name") or "").strip().lower()
                if name in names:
                    found.setdefault(name, []).append(str(resource["id"]))
        return found

    async def contacts_with(self, tag_id: str, site_id: str | None) -> AsyncIterator[list[Contact]]:
        """Pages of the contacts that have a tag: what the filter lets through is checked against their tags."""
        async for page in self._pages("/contacts", {**_site(site_id), "filter[has_tag_id]": tag_id}):
            contacts = [_contact(resource) for resource in page]
            yield [contact for contact in contacts if await self._has(contact, tag_id)]

    async def _has(self, contact: Contact, tag_id: str) -> bool:
        tags = contact.tag_ids
        if tags is None:
            document = await self._get(f"/contacts/{contact.id}/relationships/tags", {})
            tags = frozenset(str(item["id"]) for item in _list(document.get("data")))
        return tag_id in tags

    async def _pages(self, path: str, query: Mapping[str, str]) -> AsyncIterator[list[dict[str, Any]]]:
        """By number, until there is no next one. The address in `links.next` is not followed: it may lead anywhere."""
        for number in range(1, MAX_PAGES + 1):
            document = await self._get(path, {**query, "page[number]": str(number), "page[size]": str(PAGE_SIZE)})
            data = _list(document.get("data"))
            if data:
                yield data
            links = document.get("links")
            if not data or not (isinstance(links, dict) and links.get("next")):
                return

    async def _get(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        for fresh in (False, True):
            headers = {"Authorization": f"Bearer {await self._bearer(fresh=fresh)}", "Accept": MEDIA_TYPE}
            response = await self._send("GET", path, params=query, headers=headers)
            if response.status_code != httpx.codes.UNAUTHORIZED:
                return _document(response)
        raise KajabiUnavailable("the API refuses the token that it has just given")

    async def _bearer(self, *, fresh: bool) -> str:
        if self._token is not None and not fresh and time.monotonic() < self._good_until:
            return self._token
        client_id, secret = self._credentials
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": secret.get_secret_value(),
        }
        document = _document(await self._send("POST", "/oauth/token", data=form, headers={}))
        token, lifetime = document.get("access_token"), document.get("expires_in")
        if not isinstance(token, str) or not token:
            raise KajabiUnavailable("the API gave no token")
        self._token = token
        self._good_until = time.monotonic() + (lifetime if isinstance(lifetime, int) else 0) - TIMEOUT_SECONDS
        return token

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send, and again after a pause where the API or the network asks for one."""
        reason = ""
        for attempt in range(ATTEMPTS):
            pause = self._first_pause * 2**attempt
            try:
                response = await self._client.request(method, self._base_url + path, **options)
                if response.status_code not in _AGAIN:
                    return response
                reason, pause = f"status {response.status_code}", _retry_after(response) or pause
            except httpx.HTTPError as error:
                reason = type(error).__name__
            if pause > LONGEST_PAUSE:
                raise KajabiUnavailable(f"the API asks for {pause:.0f} seconds of patience")
            log.info("kajabi_api_again", path=path.split("/")[1], reason=reason, pause=pause)
            if attempt < ATTEMPTS - 1:
                await asyncio.sleep(pause)
        raise KajabiUnavailable(f"the API does not answer: {reason}, {ATTEMPTS} times")


def _site(site_id: str | None) -> dict[str, str]:
    return {} if site_id is None else {"filter[site_id]": site_id}


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds, from either form of the header (RFC 9110, 10.2.3)."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _document(response: httpx.Response) -> dict[str, Any]:
    if response.status_code != httpx.codes.OK:
        raise KajabiUnavailable(f"the API answers {response.status_code}")
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise KajabiUnavailable("the API answers no JSON object")
    return document


def _list(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict) and item.get("id")] if isinstance(value, list) else []


def _attributes(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    value = resource.get("attributes")
    return value if isinstance(value, dict) else {}


def _contact(resource: Mapping[str, Any]) -> Contact:
    email = _attributes(resource).get("email")
    relationships = resource.get("relationships")
    tags = relationships.get("tags") if isinstance(relationships, dict) else None
    told = isinstance(tags, dict) and isinstance(tags.get("data"), list)
    ids = frozenset(str(item["id"]) for item in _list(tags["data"])) if told and tags else None
    return Contact(str(resource["id"]), email if isinstance(email, str) else None, ids)
