"""Two operations at once, forced to overlap, and whether some order of the two explains what is left."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from tests.races.memory import UUID
from tests.races.operations import DELIVERY, OPERATIONS, PARTS, Operation, Outcome
from tests.races.scene import GATE, Stage, Theatre
from tests.support.sql import Connection

from elevate_api.analytics import totals
from elevate_api.kajabi import inbox
from elevate_api.ops.ledger_check.totals import total_differences
from elevate_api.ops.ledger_check.verify import differences

TABLES: dict[str, tuple[str, ...]] = {
    "users": (),
    "submissions": (),
    "points_ledger": ("stamp",),
    "point_adjustments": (),
    "badges": (),
    "earned_badges": (),
    "submission_attachments": (),
    "attachment_removals": (),
    "kajabi_events": ("attempts", "error"),
    "review_claims": (),
    "audit_log": ("request_id",),
    "clerk_events": (),
    "idempotency_keys": ("body", "headers", "request_hash"),
}
"""What a trial leaves, without the columns that say how it came about. Figures are compared with the ledger instead."""
_STATE = " UNION ALL ".join(
    f"SELECT '{table}', (to_jsonb(t) - '{{{','.join(hidden)}}}'::text[])::text FROM {table} t"
    for table, hidden in TABLES.items()
)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[0-9.:+Z-]*")
_ERASED = re.compile(r"erased-[0-9a-f]{12}")
PATIENCE = 3.0


@dataclass(frozen=True)
class Ending:
    """What is left, and how each of the two was answered."""

    state: str
    outcomes: tuple[Outcome, ...]
    wrong: str = ""
    """Where ledger, causes, badges or totals disagree."""

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(outcome.kind for outcome in self.outcomes)

    def swapped(self) -> "Ending":
        return replace(self, outcomes=self.outcomes[::-1])

    def fits(self, other: "Ending") -> bool:
        return self.state == other.state and self.kinds == other.kinds

    def fits_but_for_claims(self, other: "Ending") -> bool:
        """Whoever claims passes over what anybody holds that moment: fewer may be claimed, and others that wait."""
        rest, claims = _apart(self.state)
        other_rest, other_claims = _apart(other.state)
        waiting = {row["id"] for row in _rows(other_rest, "submissions") if row["status"] == "PENDING"}
        strange = [row for row in _rows(other_claims - claims, "review_claims") if row["submission_id"] not in waiting]
        fewer = other_claims.total() <= claims.total()
        return rest == other_rest and self.kinds == other.kinds and fewer and not strange


def _apart(state: str) -> tuple[Counter[str], Counter[str]]:
    """The lines of a state but for claims, and those of claims."""
    lines = state.splitlines()
    claims = [line for line in lines if line.startswith("review_claims ")]
    return Counter(lines) - Counter(claims), Counter(claims)


def _rows(lines: Iterable[str], table: str) -> list[dict[str, Any]]:
    return [json.loads(line.partition(" ")[2]) for line in lines if line.startswith(f"{table} ")]


async def state_of(stage: Stage) -> str:
    """Every row in words that two runs share: what is new has no id of its own, and no time."""
    rows = await stage.superuser.fetch(_STATE)
    return "\n".join(sorted(f"{table} {_masked(row, stage.memory.ids)}" for table, row in rows))


def _masked(row: str, known: frozenset[str]) -> str:
    row = UUID.sub(lambda found: found[0] if found[0] in known else "new", row)
    return _ERASED.sub("erased", _TIME.sub("time", row))


# --- trials ---------------------------------------------------------------------------------------------------------


async def in_order(theatre: Theatre, *names: str) -> Ending:
    """What a race is measured by, so ledger, causes and badges must agree in it; whatever ends alike agrees as well."""
    async with theatre.stage() as stage:
        outcomes = [await OPERATIONS[name](stage, f"race-{number}") for number, name in enumerate(names)]
        async with stage.database.session() as session:
            wrong = "\n".join([str(one) async for one in differences(session, views=False)])
        return Ending(await state_of(stage), tuple(outcomes), wrong)


async def stored_before(theatre: Theatre, delivery: str, other: str) -> Ending | None:
    """A delivery is kept first and settled in a transaction of its own: the other operation, between the two.

    None where the delivery is not settled by itself, as it repeats another.
    """
    settle, heard = inbox.attempt, list[Outcome]()
    async with theatre.stage() as stage:

        async def later(*arguments: Any) -> inbox.Receipt:
            with patch.object(inbox, "attempt", settle):
                heard.append(await OPERATIONS[other](stage, "race-1"))
            return await settle(*arguments)

        with patch.object(inbox, "attempt", later):
            outcome = await OPERATIONS[delivery](stage, "race-0")
        return Ending(await state_of(stage), (outcome, *heard)) if heard else None


async def decided_before(theatre: Theatre, head: Operation, other: str, tail: Operation) -> Ending:
    """The other operation between two of many decisions, each of which stands on its own."""
    async with theatre.stage() as stage:
        outcome, heard = await head(stage, "race-0"), await OPERATIONS[other](stage, "race-1")
        await tail(stage, "race-0")
        return Ending(await state_of(stage), (outcome, heard))


Way = Callable[[Stage, str, str], Awaitable[tuple[Outcome, Outcome]]]


async def queued(stage: Stage, first: str, second: str) -> tuple[Outcome, Outcome]:
    """Both get as far as Ana's lock, past every look at her that comes before it; then one after the other."""
    async with holding(stage.holder, "SELECT 1 FROM users WHERE id LIKE 'user_%' FOR NO KEY UPDATE"):
        running = await _start_both(stage, first, second, "race-0")
    return await _ends(*running)


async def queued_for_evidence(stage: Stage, first: str, second: str) -> tuple[Outcome, Outcome]:
    """Both get as far as the submission, or to what the first of them holds by then."""
    async with holding(stage.holder, "SELECT 1 FROM submissions FOR UPDATE"):
        running = await _start_both(stage, first, second, "race-0")
    return await _ends(*running)


async def gated(stage: Stage, first: str, second: str) -> tuple[Outcome, Outcome]:
    """The first has done everything and committed nothing when the second begins."""
    async with holding(stage.holder, f"SELECT pg_advisory_xact_lock({GATE})"):
        running = await _start_both(stage, first, second, "gated")
    return await _ends(*running)


async def free(stage: Stage, first: str, second: str) -> tuple[Outcome, Outcome]:
    """As it comes."""
    return await _ends(*(asyncio.create_task(_act(stage, name, "race")) for name in (first, second)))


WAYS: tuple[Way, ...] = (queued, queued_for_evidence, gated, free)
CLAIMS = frozenset({"claim", "claim all"})
"""They pass over what anybody holds, so while a third one holds all evidence there is none to claim."""


def ways_for(first: str, second: str) -> tuple[Way, ...]:
    return tuple(way for way in WAYS if way is not queued_for_evidence or not {first, second} & CLAIMS)


async def _ends(first: asyncio.Task[Outcome], second: asyncio.Task[Outcome]) -> tuple[Outcome, Outcome]:
    one, other = await asyncio.gather(first, second)
    return one, other


async def _act(stage: Stage, name: str, request_id: str) -> Outcome:
    return await OPERATIONS[name](stage, request_id)


async def _start_both(stage: Stage, first: str, second: str, request_id: str) -> list[asyncio.Task[Outcome]]:
    tasks: list[asyncio.Task[Outcome]] = []
    for name, request in ((first, request_id), (second, "race-1")):
        tasks.append(asyncio.create_task(_act(stage, name, request)))
        await until_settled(stage, tasks)
    return tasks


async def until_settled(stage: Stage, tasks: list[asyncio.Task[Outcome]]) -> None:
    """Until each of them has ended or waits for a lock; one that works longer than our patience goes on meanwhile."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND pid NOT IN (pg_backend_pid(), $1)"
    )
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while asyncio.get_running_loop().time() < deadline:
        waiting = await stage.superuser.fetchval(query, stage.holder.get_server_pid())
        if waiting + sum(task.done() for task in tasks) >= len(tasks):
            return
        await asyncio.sleep(0.002)


@asynccontextmanager
async def holding(connection: Connection, lock: str) -> AsyncIterator[None]:
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(lock)
    try:
        yield
    finally:
        await transaction.rollback()


FOLDING = frozenset({"refresh", "refresh by hand", "daily health", "fold totals", "count totals anew"})
"""They add up what others are just writing, and go on from there the next time."""


async def at_once(theatre: Theatre, way: Way, first: str, second: str) -> Ending:
    async with theatre.stage() as stage:
        outcomes = await way(stage, first, second)
        wrong = await _wrong_totals(stage) if {first, second} & FOLDING else ""
        return Ending(await state_of(stage), outcomes, wrong)


async def _wrong_totals(stage: Stage) -> str:
    await totals.fold(stage.database)
    async with stage.database.session() as session:
        return "\n".join([str(one) async for one in total_differences(session)])


# --- judging --------------------------------------------------------------------------------------------------------


@dataclass
class Judge:
    """Knows how a pair may end: as one order of the two, or as one of them alone while the other was sent away."""

    theatre: Theatre
    alone: dict[str, Ending]

    async def race(self, first: str, second: str, ways: tuple[Way, ...]) -> list[str]:
        """Race the pair every way, both orders; what no order explains, in words."""
        forwards = await in_order(self.theatre, first, second)
        backwards = await in_order(self.theatre, second, first)
        orders = [forwards, backwards.swapped()]
        faults = [f"{first!r} and {second!r} in order: {order.wrong}" for order in orders if order.wrong]
        for way in ways:
            for swapped in (False, True) if first != second else (False,):
                pair = (second, first) if swapped else (first, second)
                ending = await at_once(self.theatre, way, *pair)
                fault = await self._fault(orders, ending.swapped() if swapped else ending, (first, second))
                if fault is not None:
                    faults.append(f"{pair[0]!r} then {pair[1]!r}, {way.__name__}: {fault}")
        return faults

    async def _fault(self, orders: list[Ending], ending: Ending, names: tuple[str, str]) -> str | None:
        if ending.wrong:
            return ending.wrong
        for outcome in ending.outcomes:
            if outcome.status >= 500 and outcome.kind != "busy":
                return f"answered {outcome}"
            if outcome.kind == "busy" and outcome.retry_after is None:
                return f"sent away without Retry-After: {outcome}"
        if "busy" in ending.kinds:
            return await self._fault_of_the_other(ending, names)
        fits = Ending.fits_but_for_claims if CLAIMS & set(names) else Ending.fits
        if any(fits(order, ending) for order in orders):
            return None
        return None if await self._fits_between(ending, names) else _explain(orders, ending)

    async def _fits_between(self, ending: Ending, names: tuple[str, str]) -> bool:
        return any([order.fits(ending) async for order in self._between(*names)])

    async def _between(self, first: str, second: str) -> AsyncIterator[Ending]:
        """Endings of a delivery's two transactions, or of many decisions, with the other operation between them."""
        for many, other in ((first, second), (second, first)):
            for head, tail in PARTS.get(many, ()):
                ending = await decided_before(self.theatre, head, other, tail)
                yield ending if many == first else ending.swapped()
        for delivery, other in ((first, second), (second, first)):
            if OPERATIONS[delivery].does == DELIVERY:
                found = await stored_before(self.theatre, delivery, other)
                if found is not None:
                    yield found if delivery == first else found.swapped()

    async def _fault_of_the_other(self, ending: Ending, names: tuple[str, str]) -> str | None:
        if ending.kinds == ("busy", "busy"):
            return "both were sent away"
        name = names[ending.kinds.index("busy") ^ 1]
        if name not in self.alone:
            self.alone[name] = await in_order(self.theatre, name)
        return None if self.alone[name].state == ending.state else _explain([self.alone[name]], ending)


def _explain(orders: list[Ending], ending: Ending) -> str:
    told = [f"answers {ending.outcomes}"]
    for order in orders:
        should, does = set(order.state.splitlines()), set(ending.state.splitlines())
        told.append(f"an order answers {order.outcomes}")
        told += [f"  without {line}" for line in sorted(should - does)[:6]]
        told += [f"  with    {line}" for line in sorted(does - should)[:6]]
    return "\n".join(told)


def every_pair() -> list[tuple[str, str]]:
    names = list(OPERATIONS)
    return [(one, other) for place, one in enumerate(names) for other in names[place:]]
