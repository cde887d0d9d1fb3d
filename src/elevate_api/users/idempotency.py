"""`Idempotency-Key` for signed-in callers: keys are a user's own."""

from typing import Annotated

from fastapi import Depends, Request

from elevate_api.kit.db import transaction
from elevate_api.kit.idempotency import KeyHeader, begin, idempotency
from elevate_api.kit.work import Writes
from elevate_api.users.guards import ParticipantCaller, current_user_id

Idempotent = Annotated[None, Depends(idempotency(current_user_id, transaction))]
RequiredIdempotent = Annotated[None, Depends(idempotency(current_user_id, transaction, required=True))]


async def _optional_key(
    request: Request, caller: ParticipantCaller, work: Writes, key: Annotated[str | None, KeyHeader] = None
) -> None:
    """Only a request with a key pays for it: guard, key and effect are then one transaction of several statements."""
    if key is not None:
        await begin(request, await caller.admitted(work), caller.id, key)


IdempotentWrites = Annotated[None, Depends(_optional_key)]
"""As `Idempotent`, for routes that take a `ParticipantCaller` and `Writes`."""
