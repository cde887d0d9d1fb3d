"""What an event comes to (shared/domain.md, "Kajabi"). Pure: facts in, a decision out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from elevate_api.kajabi.payload import Kind
from elevate_api.points.rules import ActivityCode, StageRates, room_under_cap

MAX_ATTEMPTS = 8
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=6)
"""30 s, 1, 2, 4, 8, 16, 32 minutes, then an administrator's turn: a night of trouble is not retried through."""


class Status(StrEnum):
    RECEIVED = "RECEIVED"
    PROCESSED = "PROCESSED"
    DUPLICATE = "DUPLICATE"
    IGNORED = "IGNORED"
    UNMATCHED = "UNMATCHED"
    FAILED = "FAILED"


FINAL = frozenset({Status.PROCESSED, Status.DUPLICATE})


@dataclass(frozen=True, slots=True)
class Standing:
    """Whom a grant would go to and where they stand, read under their lock; see `migrations/sql/kajabi_standing`.

    `awarded` and `points_cap` are LEARN's points. `grant_contact` names the grant in the ledger. `granted_event` is the
    processed event of the same person or contact and tag. `ledger_person` holds the ledger row of this very grant,
    worth `ledger_points`: there without a processed event only after a recovery.
    """

    person_id: str | None
    erased: bool
    bound_contact: str | None
    contact_owner: str | None
    grant_contact: str | None
    awarded: int
    points_cap: int | None
    granted_event: UUID | None
    ledger_person: str | None
    ledger_points: int | None

    @property
    def may_be_bound(self) -> bool:
        """Whether the person has no contact yet and the event's is nobody's.

        Who has another contact keeps it: a second one of theirs is still found by the e-mail.
        """
        return self.person_id is not None and self.bound_contact is None and self.contact_owner is None


@dataclass(frozen=True, slots=True)
class Decision:
    """`points` are what the event awards for good. `append`: a ledger row is to be written. `forget`: the delivery is
    about somebody who was erased, so what it says is not kept. `first_status` and `first_points`: how the event stands
    that this is a duplicate of, where that was read.
    """

    status: Status
    reason: str | None = None
    points: int | None = None
    append: bool = False
    duplicate_of: UUID | None = None
    forget: bool = False
    first_status: Status | None = None
    first_points: int | None = None


def without_standing(kind: Kind, tag: str | None, learn_tags: Mapping[str, int]) -> Decision | None:
    """What needs no look at anybody; None for a tag that grants something."""
    if kind is Kind.REMOVED:
        return Decision(Status.IGNORED, "tag removals change no points")
    if kind is Kind.OTHER:
        return Decision(Status.IGNORED, "not a tag event")
    if tag not in learn_tags:
        return Decision(Status.IGNORED, "not a learn tag")
    return None


def decide(tag_points: int, standing: Standing | None) -> Decision:
    """What a learn tag comes to. Suspended people are granted too: they did complete the course."""
    if standing is None:
        return Decision(Status.UNMATCHED)
    if standing.granted_event is not None:
        return Decision(Status.DUPLICATE, duplicate_of=standing.granted_event, forget=standing.erased)
    if standing.erased or standing.person_id is None:
        return Decision(Status.IGNORED, "the person was erased", forget=True)
    if standing.ledger_person is not None:
        points = standing.ledger_points or 0
        own = standing.ledger_person == standing.person_id
        reason = "the ledger had this grant already" if own else "the ledger has this grant for somebody else"
        return Decision(Status.PROCESSED, reason, points if own else 0)
    points = award(tag_points, standing)
    return Decision(Status.PROCESSED, None if points else "nothing was left under the cap", points, append=points > 0)


def award(tag_points: int, standing: Standing) -> int:
    """The tag's points, up to what is left of the stage's cap."""
    room = room_under_cap(StageRates(ActivityCode.LEARN, 0, standing.points_cap, 0, 0), standing.awarded)
    return tag_points if room is None else min(tag_points, room)


def pause_after(attempts: int) -> timedelta | None:
    """How long a failed event waits after so many attempts; None when it is parked."""
    if attempts >= MAX_ATTEMPTS:
        return None
    return min(FIRST_PAUSE * (1 << (attempts - 1)), LONGEST_PAUSE)
