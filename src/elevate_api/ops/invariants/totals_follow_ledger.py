from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.ops.invariants.base import Invariant, Violations, gather
from elevate_api.ops.ledger_check.totals import total_differences

PEOPLE = 1000


class TotalsFollowLedger(Invariant):
    """Exact for a thousand people a day, others each time; `elevate points verify` looks at everybody."""

    name = "totals_follow_ledger"
    title = "The totals add up to the ledger"

    async def find(self, session: AsyncSession) -> Violations:
        return await gather(total_differences(session, PEOPLE))
