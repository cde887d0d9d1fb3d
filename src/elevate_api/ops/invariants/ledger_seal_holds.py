from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.ops.invariants.base import Invariant, Violations
from elevate_api.seal.verify import accepted_states, check

LAST = 10
ROUNDS = 30
"""Days in which every batch had its turn, besides the last ones, which are checked every day."""


class LedgerSealHolds(Invariant):
    """Links of the whole chain, the last batches, and a thirtieth of the others; `elevate points verify-seal` proves
    all of them and names rows.
    """

    name = "ledger_seal_holds"
    title = "The ledger is what was sealed"

    async def find(self, session: AsyncSession) -> Violations:
        found = Violations()
        accepted = await accepted_states(session)
        for (number,) in (await session.execute(_CHOSEN, {"last": LAST, "rounds": ROUNDS})).all():
            _, broken = await check(session, number, accepted)
            if broken is not None and broken.accepted_by is None:
                found.add(
                    batch=number, fault=str(broken), ids=[str(i) for i in broken.missing_ids + broken.changed_ids]
                )
        return found


# A batch without its predecessor is looked at as well: the check says what is wrong with the link.
_CHOSEN = text("""
    SELECT number FROM (
      SELECT number, previous, lag(number) OVER w AS number_before, lag(digest) OVER w AS digest_before,
             max(number) OVER () AS newest
      FROM ledger_seals WINDOW w AS (ORDER BY number)) AS chain
    WHERE number > newest - :last
       OR number % :rounds = (extract(epoch FROM now())::bigint / 86400) % :rounds
       OR number <> coalesce(number_before, 0) + 1
       OR previous IS DISTINCT FROM coalesce(digest_before, decode(repeat('00', 32), 'hex'))
    ORDER BY number
""")
