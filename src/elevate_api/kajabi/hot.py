"""Taking in and settling events in one round trip each: `migrations/sql/kajabi_store`, `_process` and `_settle`."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from elevate_api.audit.service import recorded
from elevate_api.kajabi.payload import Delivery
from elevate_api.kajabi.repository import Work
from elevate_api.kajabi.rules import Decision, Standing, Status
from elevate_api.kit.context import current_request_id
from elevate_api.kit.db import Database
from elevate_api.kit.work import UnitOfWork
from elevate_api.points import metrics as points_metrics

_STORE = "SELECT * FROM kajabi_store($1, $2, $3, $4, $5, $6, $7, $8)"
_PROCESS = "SELECT * FROM kajabi_process($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
_SETTLE = "SELECT * FROM kajabi_settle($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a delivery was put. The first is another one when the same bytes were there already; it stands as told."""

    id: UUID
    created_at: datetime
    first_id: UUID
    first_status: Status
    first_points: int

    @property
    def is_duplicate(self) -> bool:
        return self.id != self.first_id


@dataclass(frozen=True, slots=True)
class Processed:
    """What processing an event came to.

    `settled` false: nothing was written, as somebody else settled it meanwhile, or (`waiting`) as a contact would be
    bound that has more events, which takes a transaction of several statements.
    """

    settled: bool
    waiting: bool
    person_id: str | None
    decision: Decision


async def store(database: Database, body: bytes, found: Delivery | None, state: Status, fault: str | None) -> Stored:
    """Put a delivery into the inbox, or beside the first of the same bytes as a DUPLICATE; committed on return."""
    said = (None,) * 5 if found is None else _said(found)
    row = (await database.once(_STORE, body, *said, state.value, fault))[0]
    stored_id, stored_at, first_id, first_status, first_points = row
    return Stored(stored_id, stored_at, first_id, Status(first_status), first_points or 0)


async def process(
    unit: UnitOfWork, work: Work, found: Delivery, tag_points: int, *, chosen: str | None = None
) -> Processed:
    """Settle an event of a learn tag, with all that follows from it but the events that waited for its contact."""
    arguments = (work.id, work.status.value, *_said(found), tag_points, chosen, not unit.is_open, current_request_id())
    row = (await unit.run(_PROCESS, *arguments))[0]
    unchanged, settled, waiting, person, verdict, reason, points, appended, first, *as_first, badges = row
    decision = Decision(Status(verdict), reason, points, appended, first)
    if settled and not unchanged:
        _count(unit, decision, badges or [])
    if first is not None:
        decision = replace(decision, first_status=Status(as_first[0]), first_points=as_first[1])
    return Processed(settled, waiting, person, decision)


async def settle(
    unit: UnitOfWork, work: Work, found: Delivery, decision: Decision, standing: Standing | None = None
) -> bool:
    """Write what the event came to, with ledger row, contact and audit row of a grant; False if somebody else has."""
    granted = standing if decision.status is Status.PROCESSED else None
    event_type, contact, address, tag, happened_at = _said(found)
    rows = await unit.run(
        _SETTLE,
        work.id,
        work.status.value,
        decision.status.value,
        decision.reason,
        decision.points,
        decision.duplicate_of,
        standing.person_id if standing else None,
        event_type,
        granted.grant_contact if granted else contact,
        address,
        tag,
        happened_at,
        decision.forget,
        decision.append,
        contact if granted and granted.may_be_bound else None,
        current_request_id(),
    )
    done = bool(rows[0][0])
    if done:
        _count(unit, decision, [])
    return done


def _said(found: Delivery) -> tuple[Any, ...]:
    return found.event_type, found.contact_id, found.email, found.tag, found.event_time


def _count(unit: UnitOfWork, decision: Decision, badges: list[str]) -> None:
    if decision.status is Status.PROCESSED:
        recorded(unit, "kajabi.grant")
    if decision.append:
        unit.count(partial(points_metrics.appended, "WEBHOOK", decision.points or 0))
    recorded(unit, "badge.grant", len(badges))
