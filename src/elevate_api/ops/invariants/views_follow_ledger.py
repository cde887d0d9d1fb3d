from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.ops.invariants.base import Invariant, Violations, gather
from elevate_api.ops.ledger_check.views import view_differences


class ViewsFollowLedger(Invariant):
    """As of each view's last refresh; a view that is missing or was never refreshed counts as well."""

    name = "views_follow_ledger"
    title = "The views add up to the ledger"

    async def find(self, session: AsyncSession) -> Violations:
        return await gather(view_differences(session))
