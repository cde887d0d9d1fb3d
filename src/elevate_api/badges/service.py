"""Granting badges. Sticky: nothing here takes one away."""

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.audit.service import record
from elevate_api.badges.criteria import BadCriteria, Facts, is_met
from elevate_api.badges.models import Badge
from elevate_api.badges.repository import BadgeRepository

log = structlog.get_logger(__name__)


async def grant_earned(session: AsyncSession, user_id: str) -> list[str]:
    """Grant every badge whose criteria the person meets now, in the transaction of the row that earns it.

    Call it under the person's lock. Answers the codes granted by this call, sorted.
    """
    badges = BadgeRepository(session)
    open_badges = await badges.not_yet_earned(user_id)
    if not open_badges:
        return []
    facts = await badges.facts(user_id)
    granted = await badges.grant(user_id, [badge.code for badge in open_badges if _met(badge, facts)])
    for code in granted:
        record(
            session, actor_id=None, action="badge.grant", target_type="user", target_id=user_id, details={"badge": code}
        )
    return granted


def _met(badge: Badge, facts: Facts) -> bool:
    try:
        return is_met(badge.criteria, facts)
    except BadCriteria:
        # A badge that somebody broke must not stop an approval; it is reported and stays ungranted.
        log.exception("badge criteria are broken", badge=badge.code)
        return False
