"""From which id on rows may still be missing from the seal.

Ids are ordered by time, but a transaction that began long ago may commit at any moment, so the last sealed id is no
border. What is: every complete sweep notes which transactions had not ended when it began. Once all of those have,
nothing can appear that was written before an earlier sweep began, and whatever could was visible to a later one.
"""

import re
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

JOB = "ledger-seal"
"""Its runs in `job_runs` are the sweeps."""
NOTHING = UUID(int=0)
MARGIN = timedelta(minutes=10)
"""An id is made a moment before its transaction gets a number, and clocks are set back by a little."""
UNKNOWN = timedelta(days=1)
"""How far before the last batch to look where no sweep is on record."""
LOOKED_THROUGH = 500


@dataclass(frozen=True, slots=True)
class Look:
    """The database's clock and transactions at one moment. Ids of transactions mean nothing in another cluster."""

    at: str
    cluster: str
    oldest: int
    """Every transaction with a smaller id had ended."""
    next: int
    """No transaction had this id or a greater one yet."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.at)

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Self:
        return cls(kept["at"], kept["cluster"], kept["oldest"], kept["next"])


async def look(session: AsyncSession) -> Look:
    row = (await session.execute(_LOOK)).one()
    return Look(row.at.isoformat(), row.cluster, row.oldest, row.next)


async def known_floor(session: AsyncSession) -> UUID:
    """Every row with a smaller id is sealed, or was brought in behind the seal's back."""
    sweeps = await _sweeps(session)
    if sweeps:
        return UUID(sweeps[0]["floor"])
    sealed_at = await session.scalar(text("SELECT max(sealed_at) FROM ledger_seals"))
    return NOTHING if sealed_at is None else id_at(sealed_at - UNKNOWN)


async def next_floor(session: AsyncSession, floor: UUID, began: Look) -> UUID:
    """From where the sweep after this one has to look. `floor` is where this one looked from."""
    for kept in await _sweeps(session):
        before = Look.of(kept["look"])
        if before.cluster == began.cluster and before.next <= began.oldest:
            return max(floor, id_at(before.moment - MARGIN))
    return floor


def id_at(moment: datetime) -> UUID:
    """The smallest id of that millisecond."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


def head_of(written: str) -> tuple[int, str]:
    """`12:5f3a...` -> (12, "5f3a..."). Raises ValueError."""
    match = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", written.strip().lower())
    if match is None:
        raise ValueError(f"{written} is no head such as 12:5f3a... (64 digits)")
    return int(match[1]), match[2]


async def _sweeps(session: AsyncSession) -> list[dict[str, Any]]:
    """Complete sweeps, the newest first."""
    rows = await session.execute(_SWEEPS, {"job": JOB, "most": LOOKED_THROUGH})
    return [row.sweep for row in rows]


_LOOK = text("""
    SELECT clock_timestamp() AS at, pg_snapshot_xmin(s)::text::bigint AS oldest,
      pg_snapshot_xmax(s)::text::bigint AS next,
      (SELECT system_identifier FROM pg_control_system()) || '/'
      || (SELECT oid FROM pg_database WHERE datname = current_database()) AS cluster
    FROM pg_current_snapshot() AS s
""")
_SWEEPS = text("""
    SELECT outcome -> 'sweep' AS sweep FROM job_runs
    WHERE name = :job AND ok AND outcome -> 'sweep' IS NOT NULL ORDER BY started_at DESC LIMIT :most
""")
