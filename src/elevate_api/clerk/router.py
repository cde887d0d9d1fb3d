"""Clerk's webhook, through Svix."""

import time
from typing import Annotated

import structlog
from fastapi import Depends, Request
from fastapi.security import APIKeyHeader

from elevate_api.clerk import service
from elevate_api.clerk.messages import Unreadable, read
from elevate_api.clerk.schemas import ClerkReceipt
from elevate_api.clerk.signature import Envelope, NotAuthentic, key_of, verify
from elevate_api.config import ClerkSettings
from elevate_api.kajabi.metrics import LATENCY
from elevate_api.kit.db import Tx
from elevate_api.kit.i18n import phrase
from elevate_api.kit.problems import BodyTooLarge, DatabaseUnavailable, MalformedJson, Unauthenticated, responses
from elevate_api.kit.routing import Router

router = Router(prefix="/api/webhooks/clerk", tags=["webhooks"])
log = structlog.get_logger(__name__)

_signature = APIKeyHeader(
    name="svix-signature",
    scheme_name="SvixSignature",
    description="Svix's signature over `svix-id`, `svix-timestamp` and the raw body, with a CLERK_WEBHOOK_SECRET.",
    auto_error=False,
)
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "additionalProperties": True},
                "example": {
                    "type": "user.deleted",
                    "object": "event",
                    "timestamp": 1748736000000,
                    "data": {"id": "user_2abc123", "object": "user", "deleted": True},
                },
            }
        },
    }
}


@router.post(
    "",
    response_model=ClerkReceipt,
    responses=responses(MalformedJson, Unauthenticated, BodyTooLarge, DatabaseUnavailable),
    openapi_extra=_BODY,
)
async def receive(request: Request, session: Tx, signature: Annotated[str | None, Depends(_signature)]) -> ClerkReceipt:
    """Take in a message about a user. Whatever is not answered 2xx, Svix sends again."""
    started, body = time.perf_counter(), await request.body()
    message_id = _authentic(request, signature, body)
    try:
        message = read(body)
    except Unreadable as error:
        log.warning("clerk_message_unreadable", reason=str(error), message_id=message_id)
        raise MalformedJson(phrase("The message cannot be read: {reason}.", reason=error)) from error
    outcome = await service.receive(session, message_id, message, request.app.state.user_hooks)
    LATENCY.labels("clerk").observe(time.perf_counter() - started)
    return ClerkReceipt(status=outcome)


def _authentic(request: Request, signature: str | None, body: bytes) -> str:
    """The message's id. Raises Unauthenticated, always without a secret to know."""
    settings: ClerkSettings = request.app.state.settings.clerk
    keys = [key_of(secret.get_secret_value()) for secret in settings.webhook_secrets]
    headers = request.headers
    envelope = Envelope(headers.get("svix-id"), headers.get("svix-timestamp"), signature)
    try:
        return verify(envelope, body, keys, now=time.time())
    except NotAuthentic as error:
        log.info("clerk_message_refused", reason=str(error))
        raise Unauthenticated("A valid Svix signature is required.") from error
