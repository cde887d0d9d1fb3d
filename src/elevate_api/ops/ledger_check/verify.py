"""One look at everything that has to agree: ledger, causes, badges, views."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.ops.ledger_check.badges import badge_differences
from elevate_api.ops.ledger_check.ledger import Difference, ledger_differences, prepare
from elevate_api.ops.ledger_check.totals import total_differences
from elevate_api.ops.ledger_check.views import view_differences


@dataclass(slots=True)
class Findings:
    """`counts` is complete, by area and kind; `first` holds as many differences as were asked for."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    first: list[Difference] = field(default_factory=list)
    rows: int = 0
    causes: int = 0

    @property
    def total(self) -> int:
        return self.counts.total()


async def differences(session: AsyncSession, *, views: bool = True) -> AsyncIterator[Difference]:
    """Every difference, as of one moment where the transaction is REPEATABLE READ."""
    async for found in ledger_differences(session):
        yield found
    async for found in badge_differences(session):
        yield found
    if views:
        async for found in total_differences(session):
            yield found
        async for found in view_differences(session):
            yield found


async def verify(session: AsyncSession, *, keep: int = 1000, views: bool = True) -> Findings:
    """Count every difference and keep the first `keep`, however many there are. Use a transaction of its own."""
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    await prepare(session)
    findings = Findings()
    findings.rows, findings.causes = (await session.execute(_SIZES)).one()
    async for found in differences(session, views=views):
        findings.counts[found.area, found.kind] += 1
        if len(findings.first) < keep:
            findings.first.append(found)
    return findings


_SIZES = text("""
    SELECT (SELECT count(*) FROM points_ledger) AS rows,
           (SELECT count(*) FROM submissions WHERE points_awarded > 0)
           + (SELECT count(*) FROM submissions WHERE points_awarded > 0 AND status = 'REVOKED')
           + (SELECT count(*) FROM kajabi_events WHERE status = 'PROCESSED' AND points_awarded > 0)
           + (SELECT count(*) FROM point_adjustments) AS causes
""")
