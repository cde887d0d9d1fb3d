"""What the demo's educators mean to do, and when: decided before anything happens, so that it can be put in order."""

import random
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from elevate_api.points.rules import ActivityCode
from elevate_api.seeds.demo.people import PROGRAMME_DAYS

AWAKE_FROM, AWAKE_UNTIL = time(6, 30), time(21, 30)
# How likely an educator is to go through a stage at all. Everybody starts; fewer finish.
INTEREST = {
    ActivityCode.LEARN: 0.92,
    ActivityCode.EXPLORE: 0.70,
    ActivityCode.AMPLIFY: 0.48,
    ActivityCode.PRESENT: 0.40,
    ActivityCode.SHINE: 0.16,
}
BY_TAG = 0.8  # of those known to Kajabi, who let the course report for them
BOTH_WAYS = 0.1  # of those, who send in the certificate as well
SECOND_COURSE, TRIES_AGAIN, EDITS = 0.75, 0.7, 0.1
REVIEW_DAYS = 2.2  # mean
TAGS = ("elevate-ai-1-completed", "elevate-ai-2-completed")
WEEK = timedelta(days=7)


class Fate(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    REVOKE = "revoke"


@dataclass(frozen=True, slots=True)
class PlannedSubmission:
    """`decided_at` is when the owner withdraws or a reviewer decides; what lies after now has not happened."""

    stage: ActivityCode
    at: datetime
    fate: Fate
    decided_at: datetime
    revoked_at: datetime | None = None
    edited_at: datetime | None = None
    peers: int = 0
    students: int = 0


@dataclass(frozen=True, slots=True)
class PlannedTag:
    at: datetime
    tag: str


@dataclass(frozen=True, slots=True)
class Planner:
    rng: random.Random
    now: datetime
    zone: ZoneInfo

    def submissions(self, *, learns_by_form: bool) -> list[PlannedSubmission]:
        """The submissions of one educator, stage after stage."""
        planned: list[PlannedSubmission] = []
        day = self.rng.uniform(1, PROGRAMME_DAYS - 3)
        for stage in ActivityCode:
            if self.rng.random() > INTEREST[stage] or (stage is ActivityCode.LEARN and not learns_by_form):
                continue
            tries = self._amplify(day) if stage is ActivityCode.AMPLIFY else self._until_accepted(stage, day)
            planned += tries
            day += self.rng.uniform(1, 9)
        return [item for item in planned if item.at <= self.now]

    def tags(self) -> list[PlannedTag]:
        """Course completions that Kajabi reports: the first course, then for most the second."""
        day = self.rng.uniform(1, PROGRAMME_DAYS - 3)
        second = [day + self.rng.uniform(2, 10)] if self.rng.random() < SECOND_COURSE else []
        moments = [self._awake_before(self._day(at)) for at in (day, *second)]
        return [PlannedTag(at, tag) for at, tag in zip(moments, TAGS, strict=False) if at <= self.now]

    def _until_accepted(self, stage: ActivityCode, day: float) -> list[PlannedSubmission]:
        """One try after the other: never two at a time, as LEARN allows only one that is open."""
        first = self._one(stage, self._day(day))
        again = first.fate is not Fate.APPROVE and self.rng.random() < TRIES_AGAIN
        if not again:
            return [first]
        restart = (first.revoked_at or first.decided_at) + timedelta(days=self.rng.uniform(1, 4))
        return [first, self._one(stage, restart, Fate.APPROVE)]

    def _amplify(self, day: float) -> list[PlannedSubmission]:
        """One to four sessions, at most 50 peers and 200 students within any seven days, whatever becomes of them."""
        planned: list[PlannedSubmission] = []
        for _ in range(self.rng.choice((1, 1, 2, 2, 3, 4))):
            at = self._awake_before(self._day(day))
            recent = [item for item in planned if at - item.at < WEEK + timedelta(days=1)]
            peers = min(self.rng.choice((0, 4, 6, 8, 12, 18, 25)), 50 - sum(item.peers for item in recent))
            students = min(self.rng.choice((0, 20, 28, 32, 36, 64, 90)), 200 - sum(item.students for item in recent))
            if peers + students > 0:
                planned.append(self._one(ActivityCode.AMPLIFY, at, peers=peers, students=students))
            day += self.rng.uniform(1.5, 11)
        return planned

    def _one(
        self, stage: ActivityCode, at: datetime, fate: Fate | None = None, *, peers: int = 0, students: int = 0
    ) -> PlannedSubmission:
        at = self._awake_before(at)
        fate = fate or self.rng.choices(list(Fate), (82, 10, 5, 3))[0]
        waited = self.rng.expovariate(1 / REVIEW_DAYS) + 0.1
        decided_at = self._awake_after(at + timedelta(days=waited))
        revoked_at = self._awake_after(decided_at + timedelta(days=self.rng.uniform(1, 6)))
        edited = self.rng.random() < EDITS
        return PlannedSubmission(
            stage=stage,
            at=at,
            fate=fate,
            decided_at=decided_at,
            revoked_at=revoked_at if fate is Fate.REVOKE else None,
            edited_at=at + (decided_at - at) / 3 if edited else None,
            peers=peers,
            students=students,
        )

    def _day(self, day: float) -> datetime:
        """`day` counts from the programme's first."""
        return self.now - timedelta(days=PROGRAMME_DAYS - day)

    def _awake_before(self, at: datetime) -> datetime:
        """The same moment, or for the small hours some time of the day before."""
        return at if self._awake(at) else at - timedelta(hours=9.5)

    def _awake_after(self, at: datetime) -> datetime:
        return at if self._awake(at) else at + timedelta(hours=9.5)

    def _awake(self, at: datetime) -> bool:
        return AWAKE_FROM <= at.astimezone(self.zone).time() <= AWAKE_UNTIL
