"""The service's own API, called in-process: same middleware, same guards, same limits as over the network."""

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

import httpx
from fastapi import Request
from httpx import ASGITransport

from elevate_api.kit.context import current_request_id
from elevate_api.kit.ratelimit import address_of

UNREADABLE = 502
_PORT = 0  # of a client that is known by its address only


class ApiRefused(Exception):
    """The API's own problem answer (shared/api.md, "Errors"), for the page to show."""

    def __init__(self, status: int, document: dict[str, Any]) -> None:
        super().__init__(f"{status} {document.get('code', '')}")
        self.status = status
        self.document = document
        self.code = str(document.get("code", ""))
        self.title = str(document.get("title", ""))
        self.detail = str(document.get("detail", ""))


class Api:
    """Calls as the visitor. `token` is the session's, None for anonymous reads."""

    def __init__(self, request: Request, token: str | None, language: str) -> None:
        client = (request.client.host, request.client.port) if request.client else (address_of(request.scope), _PORT)
        self._transport = ASGITransport(request.app, client=client)
        self._headers = {"Accept-Language": language}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        request_id = current_request_id()
        if request_id is not None:
            self._headers["X-Request-ID"] = request_id

    async def get(self, path: str, **query: object) -> Any:
        """Decoded JSON. Parameters that are None or empty are left out. Raises ApiRefused."""
        return await self.call("GET", path, query=query)

    async def post(self, path: str, body: Any = None, **headers: str) -> Any:
        """Raises ApiRefused. `headers`: `Idempotency_Key="..."`."""
        return await self.call("POST", path, body=body, headers=headers)

    async def delete(self, path: str) -> Any:
        """Raises ApiRefused."""
        return await self.call("DELETE", path)

    async def attempt(self, method: str, path: str, **more: Any) -> Any:
        """What `call` answers, or the ApiRefused that it would raise: for a part that a page can do without."""
        try:
            return await self.call(method, path, **more)
        except ApiRefused as refused:
            return refused

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, object] | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """In a task of its own, whose context is a copy: the inner request must not end the outer one's log lines."""
        return await asyncio.create_task(self._call(method, path, query or {}, body, headers or {}))

    async def _call(self, method: str, path: str, query: dict[str, object], body: Any, headers: dict[str, str]) -> Any:
        parameters = {name: _word(value) for name, value in query.items() if value not in (None, "")}
        sent = {**self._headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with httpx.AsyncClient(transport=self._transport, base_url="http://console", trust_env=False) as client:
            answer = await client.request(method, path, params=parameters, json=body, headers=sent)
        document = _decoded(answer)
        if answer.is_error:
            raise ApiRefused(answer.status_code, document if isinstance(document, dict) else {})
        return document


async def together(*reads: Awaitable[Any]) -> list[Any]:
    """Several reads at once. Raises the first failure once all have ended: none outlives the page that asked for it."""
    answers = await asyncio.gather(*reads, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _decoded(answer: httpx.Response) -> Any:
    if not answer.content:
        return None
    try:
        return answer.json()
    except json.JSONDecodeError:
        raise ApiRefused(UNREADABLE, {}) from None
