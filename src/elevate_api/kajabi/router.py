"""The webhook. Two routes, one handler; the token in the URL is in no log and no answer (`app.py`, `secret_after`)."""

import time
from typing import Annotated

from fastapi import Depends, Path, Request, Response
from fastapi.security import APIKeyHeader

from elevate_api.config import KajabiSettings
from elevate_api.kajabi import inbox, metrics
from elevate_api.kajabi.errors import ShapeUnknown
from elevate_api.kajabi.inbox import Receipt
from elevate_api.kajabi.payload import NotJson
from elevate_api.kajabi.rules import Status
from elevate_api.kajabi.schemas import ReceiptOut
from elevate_api.kajabi.signature import SECRET_HEADER, SIGNATURE_HEADER, Credentials, Secrets
from elevate_api.kit.db import database_of
from elevate_api.kit.i18n import phrase
from elevate_api.kit.problems import BodyTooLarge, DatabaseUnavailable, MalformedJson, Unauthenticated, responses
from elevate_api.kit.routing import Router

router = Router(prefix="/api/webhooks/kajabi", tags=["webhooks"])

_secret = APIKeyHeader(
    name=SECRET_HEADER, scheme_name="KajabiSecret", description="A secret of KAJABI_WEBHOOK_SECRET.", auto_error=False
)
_signature = APIKeyHeader(
    name=SIGNATURE_HEADER,
    scheme_name="KajabiSignature",
    description="HMAC-SHA256 of the raw body in hexadecimal, with a secret of KAJABI_WEBHOOK_SECRET.",
    auto_error=False,
)
GivenSecret = Annotated[str | None, Depends(_secret)]
GivenSignature = Annotated[str | None, Depends(_signature)]
Token = Annotated[str, Path(max_length=500, description="A token of KAJABI_WEBHOOK_TOKENS.")]

_PROBLEMS = (MalformedJson, ShapeUnknown, Unauthenticated, BodyTooLarge, DatabaseUnavailable)
_ANSWERS = {
    202: {"model": ReceiptOut, "description": "Stored; not matched to anybody yet, or to be tried again."},
    **responses(*_PROBLEMS),
}
_BODY = {
    "requestBody": {
        "required": True,
        "description": "A delivery of Kajabi or of a relay; the content type does not matter.",
        "content": {
            "application/json": {
                "schema": {"type": "object", "additionalProperties": True},
                "example": {
                    "id": "77",
                    "event": "tag_added",
                    "payload": [
                        {"id": "77", "type": "contacts", "attributes": {"email": "siti@school.example"}},
                        {"id": "5", "type": "contact_tags", "attributes": {"name": "elevate-ai-1-completed"}},
                    ],
                },
            }
        },
    }
}


@router.post("", response_model=ReceiptOut, responses=_ANSWERS, openapi_extra=_BODY)
async def receive_signed(
    request: Request, response: Response, secret: GivenSecret, signature: GivenSignature
) -> ReceiptOut:
    """Take in a delivery that is signed, or carries the shared secret."""
    return await _receive(request, response, Credentials(secret=secret, signature=signature))


@router.post("/{token}", response_model=ReceiptOut, responses=_ANSWERS, openapi_extra=_BODY)
async def receive_by_url(
    request: Request, response: Response, token: Token, secret: GivenSecret, signature: GivenSignature
) -> ReceiptOut:
    """Take in a delivery to an address that only Kajabi knows."""
    return await _receive(request, response, Credentials(token, secret, signature))


async def _receive(request: Request, response: Response, given: Credentials) -> ReceiptOut:
    started, body = time.perf_counter(), await request.body()
    settings: KajabiSettings = request.app.state.settings.kajabi
    if not _secrets(settings).recognise(given, body):
        metrics.REFUSED.inc()
        raise Unauthenticated("A valid token in the URL, a signature of the body or the shared secret is required.")
    database = database_of(request)
    async with database.admission.deliver(database.pool_timeout):
        receipt = await inbox.receive(database, body, settings.learn_tags)
    metrics.EVENTS.labels(receipt.stored_as.value).inc()
    metrics.LATENCY.labels("kajabi").observe(time.perf_counter() - started)
    return _answer(receipt, response)


def _answer(receipt: Receipt, response: Response) -> ReceiptOut:
    if receipt.unreadable is not None:
        kind = MalformedJson if isinstance(receipt.unreadable, NotJson) else ShapeUnknown
        detail = phrase("The delivery was stored and cannot be read: {reason}.", reason=receipt.unreadable)
        raise kind(detail, event_id=str(receipt.event_id))
    if receipt.status in (Status.UNMATCHED, Status.FAILED, Status.RECEIVED):
        response.status_code = 202
    return ReceiptOut(
        event_id=receipt.event_id,
        status=receipt.status,
        duplicate=receipt.duplicate,
        points_awarded=receipt.points_awarded,
    )


def _secrets(settings: KajabiSettings) -> Secrets:
    return Secrets(
        tokens=tuple(token.get_secret_value() for token in settings.webhook_tokens),
        shared=tuple(secret.get_secret_value() for secret in settings.webhook_secrets),
    )
