from datetime import datetime
from uuid import UUID

from fastapi import Request, Response

from elevate_api.kit.db import Tx
from elevate_api.kit.paging import Page, Paging, cut, link_next
from elevate_api.kit.problems import NotFound, responses
from elevate_api.kit.routing import Router
from elevate_api.points.queries import summary_of
from elevate_api.points.repository import LedgerRepository
from elevate_api.points.schemas import LedgerEntryOut, PointsSummaryOut
from elevate_api.users.guards import AdminUser, CurrentUser
from elevate_api.users.models import User

router = Router(prefix="/api", tags=["points"])


@router.get("/me/points", response_model=PointsSummaryOut)
async def my_points(session: Tx, user: CurrentUser) -> PointsSummaryOut:
    """Your points, summed from the ledger this moment."""
    return PointsSummaryOut.model_validate(await summary_of(session, user.id))


@router.get("/me/points/entries", response_model=Page[LedgerEntryOut])
async def my_ledger_entries(
    request: Request, response: Response, session: Tx, user: CurrentUser, paging: Paging
) -> Page[LedgerEntryOut]:
    """Your rows of the ledger, newest first."""
    after = paging.after(datetime, UUID)
    found = await LedgerRepository(session).entries(user.id, paging.fetch, after)
    shown, cursor = cut(found, paging.limit, lambda entry: (entry.created_at, entry.id))
    link_next(request, response, cursor)
    return Page(items=[LedgerEntryOut.model_validate(entry) for entry in shown], next_cursor=cursor)


@router.get(
    "/admin/users/{user_id}/points",
    response_model=PointsSummaryOut,
    responses=responses(NotFound),
    tags=["administration"],
)
async def points_of_person(user_id: str, session: Tx, _admin: AdminUser) -> PointsSummaryOut:
    """Somebody's points, summed from the ledger this moment."""
    if await session.get(User, user_id) is None:
        raise NotFound
    return PointsSummaryOut.model_validate(await summary_of(session, user_id))
