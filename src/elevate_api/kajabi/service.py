"""Processing the inbox: who completed what, and what that is worth. One event is settled in one transaction.

Locks, in this order everywhere: the event's address, its contact, the person, then the event. Addresses and contacts
are advisory locks that whoever gives them to a person takes too (`users.arrival`, `users.service`), so an event never
ends UNMATCHED while its person is just being created: whichever of the two comes second sees the other.
"""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.audit.service import record
from elevate_api.badges.service import grant_earned
from elevate_api.kajabi import hot
from elevate_api.kajabi.errors import EventIsFinal, EventUnreadable
from elevate_api.kajabi.payload import Delivery, NotJson, UnknownShape, read
from elevate_api.kajabi.repository import EventRepository, Work
from elevate_api.kajabi.rules import FINAL, Decision, Standing, Status, decide, without_standing
from elevate_api.kit.clock import utcnow
from elevate_api.kit.problems import Conflict, NotFound
from elevate_api.kit.work import UnitOfWork
from elevate_api.users.errors import KajabiContactTaken

LearnTags = Mapping[str, int]
ATTEMPTS = 3
"""Each failure means that somebody else settled the event in between, which leaves nothing to do the next time."""


class Unsettled(RuntimeError):
    """The event changed under our hands again and again."""


async def process(
    session: AsyncSession | UnitOfWork, work: Work, learn_tags: LearnTags, *, chosen: str | None = None
) -> Decision:
    """Settle the event and everything that follows from it; `chosen` names the person instead of contact and e-mail.

    Harmless to repeat: what is final stays, and what comes to the same writes nothing. Raises EventUnreadable and, for
    the chosen, EventIsFinal.
    """
    return (await process_from(session, work, learn_tags, chosen=chosen))[0]


async def process_from(
    session: AsyncSession | UnitOfWork, work: Work, learn_tags: LearnTags, *, chosen: str | None = None
) -> tuple[Decision, Status]:
    """As `process`, and the status that it found: not that of `work` when somebody else settled the event since."""
    unit = session if isinstance(session, UnitOfWork) else UnitOfWork(None, within=session)
    for _ in range(ATTEMPTS):
        _refuse_settled(work, chosen)
        if work.status is Status.DUPLICATE:
            return await as_it_stands(await unit.session(), work), work.status
        if work.status in FINAL or not work.body:
            return as_it_is(work), work.status
        decision = await _process(unit, work, learn_tags, chosen)
        if decision is not None:
            return decision, work.status
        work = await load(await unit.session(), work.id)
    raise Unsettled(str(work.id))


async def _process(unit: UnitOfWork, work: Work, learn_tags: LearnTags, chosen: str | None) -> Decision | None:
    """None when somebody else settled it meanwhile."""
    found = _read(work)
    early = without_standing(found.kind, found.tag, learn_tags)
    if early is not None or found.tag is None:
        decision = early or Decision(Status.IGNORED)
        return decision if decision.status is work.status or await hot.settle(unit, work, found, decision) else None
    done = await hot.process(unit, work, found, learn_tags[found.tag], chosen=chosen)
    if done.waiting and not done.settled:
        await unit.session()
        done = await hot.process(unit, work, found, learn_tags[found.tag], chosen=chosen)
    if done.waiting and done.person_id is not None:
        await match_waiting(await unit.session(), done.person_id, learn_tags)
    return done.decision if done.settled else None


async def load(session: AsyncSession, event_id: UUID) -> Work:
    """Raises NotFound."""
    row = await EventRepository(session).get(event_id)
    if row is None:
        raise NotFound
    return Work.of(row)


async def match_waiting(session: AsyncSession, user_id: str, learn_tags: LearnTags) -> int:
    """Settle what has waited for this person, who is locked; answers how many events.

    A match may bind a contact, and that contact may have more events: so until there are none. The locks of addresses
    and contacts are not taken here, after the person's: whoever calls this holds those that matter.
    """
    events, settled = EventRepository(session), 0
    while waiting := await events.waiting_for(user_id):
        for row in await events.lock(waiting):
            if row.status != Status.UNMATCHED:
                continue
            work, found = Work.of(row), _read(Work.of(row))
            standing = await events.standing(
                found.contact_id, found.email, found.tag or "", chosen=user_id, locking=False
            )
            early = without_standing(found.kind, found.tag, learn_tags)
            decision = early or decide(learn_tags[found.tag or ""], standing)
            await hot.settle(UnitOfWork(None, within=session), work, found, decision, standing)
            await _follow_up(session, decision, standing)
            settled += 1
    return settled


async def match(
    session: AsyncSession, event_id: UUID, user_id: str, actor_id: str | None, learn_tags: LearnTags
) -> Decision:
    """Settle an event for the person that an administrator names; binds its contact to them, if they have none.

    Raises NotFound, EventIsFinal, EventUnreadable, Conflict for the erased, KajabiContactTaken.
    """
    work = await load(session, event_id)
    _refuse_settled(work, user_id)
    found = _read(work)
    standing = await EventRepository(session).standing(found.contact_id, found.email, found.tag or "", chosen=user_id)
    if standing is None or standing.person_id is None:
        raise NotFound
    if standing.erased:
        raise Conflict("This person has been erased; nothing can be matched to them.")
    if standing.contact_owner not in {None, user_id}:
        raise KajabiContactTaken
    decision = await process(session, work, learn_tags, chosen=user_id)
    details = {"userId": user_id, "status": decision.status.value}
    record(session, actor_id=actor_id, action="kajabi.match", target_type="kajabi_event", target_id=event_id,
           details=details)  # fmt: skip
    return decision


async def _follow_up(session: AsyncSession, decision: Decision, standing: Standing | None) -> None:
    """Badges, in the transaction of the row that earns them."""
    if decision.append and standing is not None and standing.person_id is not None:
        await grant_earned(session, standing.person_id)


def _refuse_settled(work: Work, chosen: str | None) -> None:
    """Nobody is told that an event is theirs which was settled for another, or forgotten, while it was looked at."""
    if chosen is None:
        return
    if work.status in FINAL and work.user_id != chosen:
        raise EventIsFinal
    if not work.body:
        raise EventUnreadable


def _read(work: Work) -> Delivery:
    if work.found is not None:
        return work.found
    try:
        return read(work.body, now=utcnow())
    except (NotJson, UnknownShape) as error:
        raise EventUnreadable(str(error)) from error


def as_it_is(work: Work) -> Decision:
    return Decision(work.status, work.error, work.points_awarded, duplicate_of=work.duplicate_of)


async def as_it_stands(session: AsyncSession, work: Work) -> Decision:
    """What a settled event came to; of a duplicate, with how its first stands."""
    decision = as_it_is(work)
    first = None if work.duplicate_of is None else await EventRepository(session).get(work.duplicate_of)
    if first is None:
        return decision
    return replace(decision, first_status=Status(first.status), first_points=first.points_awarded)
