from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.ops.invariants.base import Invariant, Violations, gather
from elevate_api.ops.ledger_check.ledger import ledger_differences


class LedgerFollowsCauses(Invariant):
    """`elevate points verify` says more, `elevate points recover` mends it."""

    name = "ledger_follows_causes"
    title = "The ledger says what decisions, grants and adjustments say"

    async def find(self, session: AsyncSession) -> Violations:
        return await gather(ledger_differences(session))
