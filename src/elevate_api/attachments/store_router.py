"""The local store's own links, hidden from the contract: to a client they are opaque, like another service's."""

import asyncio
from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.requests import ClientDisconnect

from elevate_api.attachments.local import PATH, LocalStorage
from elevate_api.attachments.names import attachment_disposition
from elevate_api.attachments.storage import ObjectMissing, is_key
from elevate_api.kit.i18n import phrase
from elevate_api.kit.problems import BadRequest, NotFound, UnsupportedMediaType
from elevate_api.kit.routing import Router

router = Router(prefix=PATH.rstrip("/"), include_in_schema=False)

Token = Annotated[str, Query(min_length=1, max_length=4096)]


def _store(request: Request, key: str) -> LocalStorage:
    """Raises NotFound where another store is in use, and for whatever is no key."""
    storage = request.app.state.evidence.storage
    if not isinstance(storage, LocalStorage) or not is_key(key):
        raise NotFound
    return storage


@router.put("/{key:path}")
async def receive_file(request: Request, key: str, token: Token) -> Response:
    store = _store(request, key)
    permit = store.signer.verify("put", key, token)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != permit.kind:
        raise UnsupportedMediaType(phrase("The file was announced as {kind}.", kind=permit.kind))
    try:
        await store.write(key, request.stream(), permit.size)
    except ClientDisconnect:
        raise BadRequest("The upload broke off.") from None
    return JSONResponse({"key": key})


@router.get("/{key:path}")
async def send_file(request: Request, key: str, token: Token) -> Response:
    store = _store(request, key)
    permit = store.signer.verify("get", key, token)
    try:
        path = store.path_of(key)
    except ObjectMissing:
        raise NotFound from None
    if not await asyncio.to_thread(path.is_file):
        raise NotFound("The file itself is gone from the store.")
    headers = {
        "Content-Disposition": attachment_disposition(permit.name),
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return FileResponse(path, media_type=permit.kind, headers=headers)
