"""Sealing: one sealer at a time over all processes, a batch a transaction, nobody who writes points waits."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.kit.db import Database
from elevate_api.kit.jobs import JobResult, Outcome, run_single_flight
from elevate_api.seal import horizon

BATCH = 10_000
"""Rows of a batch at most: a tenth of a second of one connection, 240 kB."""

RESTORED = "restored from "
"""How the reason begins of the batch that follows a restore."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Head:
    """The last batch; its digest stands for the whole ledger up to it."""

    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"


@dataclass(slots=True)
class _Sealed:
    rows: int = 0
    batches: int = 0


async def head(session: AsyncSession) -> Head | None:
    row = (await session.execute(_HEAD)).one_or_none()
    return None if row is None else Head(row.number, row.digest.hex())


async def seal(
    database: Database,
    triggered_by: str,
    *,
    reason: str | None = None,
    accepted: dict[str, str] | None = None,
    everything: bool = False,
    batch: int = BATCH,
) -> JobResult:
    """Seal every row that is in no batch; answers `{ok, rows, batches, head, sweep}`, or the run that is under way.

    With a `reason` there is a batch in any case, and it says why; `accepted` are states of broken batches that are
    taken note of (see `verify`). `everything` also looks at ids of long ago, which otherwise stay out: a row that
    appears there was not written the usual way. Work that is interrupted loses at most the batch it was at.
    """

    async def work(_: UUID) -> Outcome:
        async with database.session() as session:
            began = await horizon.look(session)
            floor = await horizon.known_floor(session)
        sealed = _Sealed()
        await _sweep(database, sealed, horizon.NOTHING if everything else floor, batch, reason, accepted)
        async with database.session() as session:
            next_floor = await horizon.next_floor(session, floor, began)
            last = await head(session)
        return {
            "ok": True,
            "rows": sealed.rows,
            "batches": sealed.batches,
            "head": None if last is None else str(last),
            "sweep": {"floor": str(next_floor), "look": began.as_dict()},
        }

    return await run_single_flight(database, horizon.JOB, triggered_by, work)


async def _sweep(
    database: Database, sealed: _Sealed, cursor: UUID, batch: int, reason: str | None, accepted: dict[str, Any] | None
) -> None:
    """Window after window in the order of ids; each is a transaction of its own."""
    marker, seen = reason is not None, batch
    while seen == batch:
        parameters = {"after": cursor, "most": batch, "reason": reason, "accepted": accepted, "marker": marker}
        async with database.session() as session:
            row = (await session.execute(_SEAL, parameters)).one()
        cursor, seen, accepted, marker = row.through or cursor, row.seen, None, False
        if row.number is not None:
            sealed.rows += row.sealed
            sealed.batches += 1
            # The log is one more place that the head stands in, out of reach of whoever changes the database.
            log.info("ledger_sealed", batch=row.number, rows=row.sealed, digest=row.digest.hex(), reason=reason)


async def nothing_to_seal(session: AsyncSession) -> bool:
    """True when a look at the newest rows finds all of them sealed."""
    floor = await horizon.known_floor(session)
    row = (await session.execute(_UNSEALED, {"after": floor, "most": BATCH})).one()
    return row.seen < BATCH and not row.fresh


_HEAD = text("SELECT number, digest FROM ledger_seals ORDER BY number DESC LIMIT 1")
_SEAL = text(
    "SELECT through, seen, sealed, number, digest "
    "FROM seal_ledger(:after, CAST(:most AS integer), CAST(:reason AS text), :accepted, :marker)"
).bindparams(bindparam("accepted", type_=JSONB(none_as_null=True)))
_UNSEALED = text("SELECT seen, fresh FROM ledger_unsealed(:after, CAST(:most AS integer))")
