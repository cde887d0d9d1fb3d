"""`Idempotency-Key` for signed-in callers: keys are a user's own."""

from typing import Annotated

from fastapi import Depends

from elevate_api.kit.db import transaction
from elevate_api.kit.idempotency import idempotency
from elevate_api.users.guards import current_user_id

Idempotent = Annotated[None, Depends(idempotency(current_user_id, transaction))]
RequiredIdempotent = Annotated[None, Depends(idempotency(current_user_id, transaction, required=True))]
