"""What an approval is worth (shared/domain.md, "Stages and points"). Pure arithmetic in whole points.

The numbers come from the `activities` rows; which rule a stage follows is here.
"""

from dataclasses import dataclass

from elevate_api.activities.codes import ActivityCode as ActivityCode

ADJUSTMENT_PERCENT = 20
"""A reviewer may move an award by this share of the computed points, rounded up."""


@dataclass(frozen=True, slots=True)
class StageRates:
    """What the `activities` row of a stage says; `points_cap` is per person, None for no cap."""

    code: ActivityCode
    default_points: int
    points_cap: int | None
    per_peer_points: int
    per_student_points: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the person stands in the stage before this decision.

    `awarded`: net points of the stage that count against the cap (everything but administrators' adjustments).
    `has_awarded_approval`: another submission of the stage is APPROVED with points.
    """

    awarded: int
    has_awarded_approval: bool


@dataclass(frozen=True, slots=True)
class Award:
    """The computed points, and the bounds (both inclusive) within which a reviewer may adjust them."""

    points: int
    lowest: int
    highest: int

    def allows(self, points: int) -> bool:
        return self.lowest <= points <= self.highest


def room_under_cap(rates: StageRates, awarded: int) -> int | None:
    """Points that the person may still be awarded in this stage; None where the stage has no cap."""
    return None if rates.points_cap is None else max(0, rates.points_cap - awarded)


def compute_award(rates: StageRates, standing: Standing, *, peers: int = 0, students: int = 0) -> Award:
    """What approving a submission awards. `peers` and `students` are the people that AMPLIFY evidence names."""
    room = room_under_cap(rates, standing.awarded)
    base = rates.default_points + rates.per_peer_points * peers + rates.per_student_points * students
    if rates.code in (ActivityCode.EXPLORE, ActivityCode.PRESENT) and standing.has_awarded_approval:
        base = 0
    points = base if room is None else min(base, room)
    margin = -(-points * ADJUSTMENT_PERCENT // 100)
    highest = points + margin
    return Award(points, max(0, points - margin), highest if room is None else min(highest, room))
