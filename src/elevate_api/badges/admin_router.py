"""Badges, as administrators make and award them."""

from typing import Annotated

from fastapi import Path, Response

from elevate_api.badges import service
from elevate_api.badges.errors import BadgeExists
from elevate_api.badges.repository import BadgeRepository
from elevate_api.badges.schemas import AwardOut, AwardRequest, BadgeAdminOut, BadgeUpdate, NewBadge
from elevate_api.kit.db import Tx
from elevate_api.kit.idempotency import PROBLEMS as KEY_PROBLEMS
from elevate_api.kit.paging import Page
from elevate_api.kit.problems import NotFound, responses
from elevate_api.kit.routing import Router
from elevate_api.users.guards import AdminUser
from elevate_api.users.idempotency import Idempotent

router = Router(prefix="/api/admin/badges", tags=["administration"])

Code = Annotated[str, Path(min_length=2, max_length=50, examples=["STARTER"])]


@router.get("", response_model=Page[BadgeAdminOut])
async def list_all_badges(session: Tx, _admin: AdminUser) -> Page[BadgeAdminOut]:
    """Every badge with its criteria and how many people have it, retired ones included; one page."""
    badges = BadgeRepository(session)
    earned = await badges.counts()
    items = [BadgeAdminOut.of(badge, earned.get(badge.code, 0)) for badge in await badges.all()]
    return Page(items=items, next_cursor=None)


@router.post("", status_code=201, response_model=BadgeAdminOut, responses=responses(BadgeExists, *KEY_PROBLEMS))
async def create_badge(
    new: NewBadge, response: Response, session: Tx, admin: AdminUser, _idempotent: Idempotent
) -> BadgeAdminOut:
    """Add a badge. People get it with the next row that they earn once its criteria are met; `{}`: by hand only."""
    badge = await service.create(session, admin.id, new)
    response.headers["Location"] = f"/api/admin/badges/{badge.code}"
    return BadgeAdminOut.of(badge, 0)


@router.patch("/{code}", response_model=BadgeAdminOut, responses=responses(NotFound))
async def update_badge(code: Code, change: BadgeUpdate, session: Tx, admin: AdminUser) -> BadgeAdminOut:
    """Change what a badge says or asks, or retire it (`active: false`). Nobody loses what they have."""
    badge = await service.update(session, admin.id, code, change)
    return BadgeAdminOut.of(badge, (await BadgeRepository(session).counts()).get(code, 0))


@router.post(
    "/{code}/awards",
    status_code=201,
    response_model=AwardOut,
    responses={
        200: {"model": AwardOut, "description": "The person has the badge already; this is when and how."},
        **responses(NotFound, *KEY_PROBLEMS),
    },
)
async def award_badge(
    code: Code, wanted: AwardRequest, response: Response, session: Tx, admin: AdminUser, _idempotent: Idempotent
) -> AwardOut:
    """Award a badge by hand: 201 the first time, 200 with the same award ever after."""
    earned, is_new = await service.award(session, admin.id, code, wanted.user_id)
    if not is_new:
        response.status_code = 200
    return AwardOut.model_validate(earned)
