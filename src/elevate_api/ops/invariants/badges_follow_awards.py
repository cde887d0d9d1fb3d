from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.ops.invariants.base import Invariant, Violations, gather
from elevate_api.ops.ledger_check.badges import badge_differences


class BadgesFollowAwards(Invariant):
    """Who meets the criteria of a badge has it, and nobody has one that they can never have earned."""

    name = "badges_follow_awards"
    title = "People have the badges that they earned"

    async def find(self, session: AsyncSession) -> Violations:
        return await gather(badge_differences(session))
