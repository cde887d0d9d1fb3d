from typing import Any

from fastapi import Request, Response

from elevate_api.audit.service import record
from elevate_api.exports.download import SnapshotDownload
from elevate_api.exports.errors import ExportsBusy
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Tx, database_of
from elevate_api.kit.problems import DatabaseUnavailable, responses
from elevate_api.kit.routing import Router
from elevate_api.privacy import service
from elevate_api.privacy.export import personal_data
from elevate_api.privacy.schemas import ErasureOut, PersonalDataOut
from elevate_api.users.errors import LastSuperadmin
from elevate_api.users.guards import CurrentUser

router = Router(prefix="/api/me", tags=["me"])

_EXPORT: dict[int | str, dict[str, Any]] = {
    200: {"model": PersonalDataOut, "description": "One JSON document, streamed."},
    **responses(ExportsBusy, DatabaseUnavailable),
}


@router.get("/export", response_class=Response, responses=_EXPORT)
async def export_my_data(request: Request, session: Tx, user: CurrentUser) -> Response:
    """Everything we hold about you."""
    now = utcnow()
    record(session, actor_id=user.id, action="user.export", target_type="user", target_id=user.id)
    return SnapshotDownload(
        database_of(request),
        request.app.state.own_exports,
        personal_data(user.id, now),
        filename=f"my-data-{now:%Y-%m-%d}.json",
        media_type="application/json",
    )


@router.delete("", status_code=202, response_model=ErasureOut, responses=responses(LastSuperadmin))
async def ask_for_erasure(session: Tx, user: CurrentUser) -> ErasureOut:
    """Have everything personal about you erased, in 7 days; until then you may change your mind.

    Your points stay in the sums, under no name. Asking again answers the same time.
    """
    return ErasureOut(erase_at=await service.request_erasure(session, user.id, utcnow()))


@router.post("/erasure/cancel", response_model=ErasureOut)
async def cancel_erasure(session: Tx, user: CurrentUser) -> ErasureOut:
    """Take the request to be erased back."""
    await service.cancel_erasure(session, user.id)
    return ErasureOut(erase_at=None)
