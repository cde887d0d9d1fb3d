"""Proof: every batch computed anew from the rows that are there now, in bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.kit.db import Database
from elevate_api.seal import horizon
from elevate_api.seal.service import BATCH, RESTORED, Head, head

SAMPLES = 20
MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Broken:
    """A batch that is not what was sealed. `state` is what it is today; `accepted_by` the batch that took note of it.

    `missing` and `changed` count rows of the ledger, the ids are the first twenty of each. A batch can be broken
    without either: then its own row in `ledger_seals` was changed. `linked` False: it does not continue the batch
    before. `gone`: the batch itself is missing.
    """

    number: int
    state: str
    sealed_at: datetime | None = None
    linked: bool = True
    gone: bool = False
    missing: int = 0
    changed: int = 0
    missing_ids: tuple[UUID, ...] = ()
    changed_ids: tuple[UUID, ...] = ()
    accepted_by: int | None = None

    def __str__(self) -> str:
        if self.gone:
            return f"batch {self.number} is missing"
        counts = (("missing", self.missing), ("changed", self.changed))
        faults = [f"{count} rows {what}" for what, count in counts if count]
        if not self.linked:
            faults.append("it does not continue the batch before it")
        return f"batch {self.number}: {', '.join(faults) or 'its own record was changed'}"


@dataclass(slots=True)
class Proof:
    """`broken` are the first of them, `broken_count` all, accepted ones apart. `strangers` are rows of long ago in no
    batch: brought in behind the seal's back. `waiting` are new rows that the next seal takes.
    """

    batches: int = 0
    rows: int = 0
    head: Head | None = None
    broken_count: int = 0
    broken: list[Broken] = field(default_factory=list)
    accepted: list[Broken] = field(default_factory=list)
    keep: int | None = SAMPLES
    stranger_count: int = 0
    strangers: list[UUID] = field(default_factory=list)
    waiting: int = 0
    other_heads: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not (self.broken_count or self.stranger_count or self.other_heads)

    def add(self, found: Broken) -> None:
        if found.accepted_by is not None:
            self.accepted.append(found)
            return
        self.broken_count += 1
        if self.keep is None or len(self.broken) < self.keep:
            self.broken.append(found)


async def verify(
    database: Database,
    *,
    first: int = 1,
    heads: Sequence[tuple[int, str, str]] = (),
    keep: int | None = SAMPLES,
) -> Proof:
    """Check the batches from `first` on; from 1 also that no old row is outside of them. `keep` None names all.

    `heads` are `(number, digest, from where)` known from outside: a backup's manifest, a log. Each batch is read in a
    transaction of its own; writers and sealers go on meanwhile.
    """
    proof = Proof(keep=keep)
    async with database.session() as session:
        proof.head = await head(session)
        accepted = await accepted_states(session)
        floor = await horizon.known_floor(session)
    newest = 0 if proof.head is None else proof.head.number
    for number in range(max(1, first), newest + 1):
        async with database.session() as session:
            count, found = await check(session, number, accepted)
        proof.batches, proof.rows = proof.batches + 1, proof.rows + count
        if found is not None:
            proof.add(found)
    if first <= 1:
        await _look_for_strangers(database, proof, floor)
    async with database.session() as session:
        proof.other_heads = await _other_heads(session, heads, newest)
    return proof


async def check(
    session: AsyncSession, number: int, accepted: dict[int, dict[str, int]] | None = None
) -> tuple[int, Broken | None]:
    """How many rows a batch has, and what is wrong with it."""
    row = (await session.execute(_CHECK, {"number": number})).one_or_none()
    if row is None:
        broken = Broken(number, MISSING, gone=True, linked=False)
    elif row.found == row.digest and row.linked and not (row.missing or row.changed):
        return row.row_count, None
    else:
        # An edited record may not add up to a digest at all.
        state = (row.found or b"").hex() + ("" if row.linked else ":unlinked")
        broken = Broken(
            number, state, row.sealed_at, row.linked, False, row.missing, row.changed,
            tuple(row.missing_ids), tuple(row.changed_ids),
        )  # fmt: skip
    noted = (accepted or {}).get(number, {}).get(broken.state)
    return (0 if row is None else row.row_count), replace(broken, accepted_by=noted)


async def _look_for_strangers(database: Database, proof: Proof, floor: UUID) -> None:
    cursor, seen = horizon.NOTHING, BATCH
    while seen == BATCH:
        async with database.session() as session:
            row = (await session.execute(_UNSEALED, {"after": cursor, "most": BATCH})).one()
        cursor, seen = row.through or cursor, row.seen
        old = [one for one in row.fresh if one < floor]
        proof.stranger_count += len(old)
        proof.waiting += len(row.fresh) - len(old)
        proof.strangers += old[: SAMPLES - len(proof.strangers)]


async def accepted_states(session: AsyncSession) -> dict[int, dict[str, int]]:
    """Which states of which batches were taken note of, and by which batch."""
    noted: dict[int, dict[str, int]] = {}
    for row in await session.execute(_ACCEPTED):
        for number, state in row.accepted.items():
            noted.setdefault(int(number), {})[state] = row.number
    return noted


async def _other_heads(session: AsyncSession, heads: Sequence[tuple[int, str, str]], newest: int) -> list[str]:
    """What from outside does not fit. A restore begins anew after what the backup had: batches that were made after it
    and went with the database that was lost are no contradiction.
    """
    restored = await session.scalar(_RESTORED, {"prefix": RESTORED})
    found = []
    for number, digest, source in heads:
        here = await session.scalar(_DIGEST, {"number": number})
        if (here is not None and here.hex() == digest) or (restored is not None and number >= restored):
            continue
        what = f"another batch {number}" if number <= newest else f"a batch {number}, which is not here"
        found.append(f"{source} knows {what}")
    return found


_CHECK = text("SELECT * FROM check_ledger_seal(:number)")
_UNSEALED = text("SELECT through, seen, fresh FROM ledger_unsealed(:after, CAST(:most AS integer))")
_ACCEPTED = text("SELECT number, accepted FROM ledger_seals WHERE accepted IS NOT NULL ORDER BY number")
_RESTORED = text("SELECT min(number) FROM ledger_seals WHERE starts_with(reason, :prefix)")
_DIGEST = text("SELECT digest FROM ledger_seals WHERE number = :number")
