"""What the views must say, from plain loops over plain rows. No SQL here: it is the other opinion."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

STAGES = ("LEARN", "EXPLORE", "AMPLIFY", "PRESENT", "SHINE")
Row = dict[str, Any]


@dataclass(frozen=True)
class Person:
    id: str
    role: str
    cohort: str | None
    school: str | None
    shown: bool
    erased: bool

    @property
    def ranked(self) -> bool:
        return self.role == "PARTICIPANT" and self.shown and not self.erased


@dataclass(frozen=True)
class Entry:
    person: str
    stage: str
    points: int
    at: datetime


@dataclass(frozen=True)
class Evidence:
    person: str
    stage: str
    status: str
    at: datetime
    reviewed_at: datetime | None
    peers: int
    students: int


@dataclass(frozen=True)
class Event:
    person: str
    tag: str
    status: str


@dataclass
class World:
    now: datetime
    zone: ZoneInfo
    people: list[Person] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def board(self, since: datetime | None = None) -> list[Row]:
        rows = []
        for person in self.people:
            mine = [one for one in self.entries if one.person == person.id and (since is None or one.at > since)]
            total = sum(one.points for one in mine)
            if person.ranked and total > 0:
                rows.append(
                    {
                        "user_id": person.id,
                        "cohort": person.cohort,
                        "school": person.school,
                        "total_points": total,
                        "entries": len(mine),
                        "reached_at": max(one.at for one in mine),
                    }
                )
        return rows

    def board_30d(self) -> list[Row]:
        return self.board(self.now - timedelta(hours=720))

    def stages(self) -> list[Row]:
        return [self._stage(stage) for stage in STAGES]

    def _stage(self, stage: str) -> Row:
        mine = [one for one in self.evidence if one.stage == stage]
        approved = [one for one in mine if one.status == "APPROVED"]
        entries = [one for one in self.entries if one.stage == stage]
        waits = [(one.reviewed_at - one.at).total_seconds() for one in mine if one.reviewed_at is not None]
        people = Counter[str]()
        for entry in entries:
            people[entry.person] += entry.points
        return {
            "activity_code": stage,
            "activity_name": stage.capitalize(),
            "submissions": len(mine),
            **{status.lower(): count(mine, status) for status in ("PENDING", "APPROVED", "REJECTED", "WITHDRAWN")},
            "revoked": count(mine, "REVOKED"),
            "participants": len({one.person for one in mine}),
            "average_review_seconds": sum(waits) / len(waits) if waits else None,
            "peers_reached": sum(one.peers for one in approved),
            "students_reached": sum(one.students for one in approved),
            "total_points": sum(one.points for one in entries),
            "entries": len(entries),
            "people_with_points": sum(points > 0 for points in people.values()),
            "micro_credentials": len({(one.person, one.tag) for one in self.events if one.status == "PROCESSED"})
            if stage == "LEARN"
            else 0,
        }

    def groups(self, name: str, of: Callable[[Person], str | None]) -> list[Row]:
        participants = [person for person in self.people if person.role == "PARTICIPANT"]
        groups = {of(person) or "" for person in participants}
        return [
            {name: group, **self._group([person.id for person in participants if (of(person) or "") == group])}
            for group in groups
        ]

    def _group(self, members: list[str]) -> Row:
        totals = [sum(one.points for one in self.entries if one.person == member) for member in members]
        mine = [one for one in self.evidence if one.person in members]
        average = Decimal(sum(totals)) / len(members)
        return {
            "participants": len(members),
            "active_participants": sum(total > 0 for total in totals),
            "total_points": sum(totals),
            "average_points": average.quantize(Decimal("0.01"), ROUND_HALF_UP),
            "submissions": len(mine),
            "approved": count(mine, "APPROVED"),
            "pending": count(mine, "PENDING"),
        }

    def days(self) -> list[Row]:
        today = self.day(self.now)
        return [self._day(today - timedelta(days=ago), stage) for ago in range(90) for stage in STAGES]

    def _day(self, day: date, stage: str) -> Row:
        made = [one for one in self.evidence if one.stage == stage and self.day(one.at) == day]
        decided = [one for one in self.evidence if one.stage == stage and one.reviewed_at is not None]
        decided = [one for one in decided if one.reviewed_at is not None and self.day(one.reviewed_at) == day]
        entries = [one for one in self.entries if one.stage == stage and self.day(one.at) == day]
        return {
            "day": day,
            "activity_code": stage,
            "submissions": len(made),
            "approved": sum(one.status != "REJECTED" for one in decided),
            "rejected": count(decided, "REJECTED"),
            "points": sum(one.points for one in entries),
            "entries": len(entries),
            "people": len({one.person for one in made}),
        }

    def summary(self, person: str) -> list[Row]:
        return [self._summary(person, stage) for stage in STAGES]

    def _summary(self, person: str, stage: str) -> Row:
        entries = [one for one in self.entries if (one.person, one.stage) == (person, stage)]
        mine = [one for one in self.evidence if (one.person, one.stage) == (person, stage)]
        return {
            "activity_code": stage,
            "activity_name": stage.capitalize(),
            "total_points": sum(one.points for one in entries),
            "entries": len(entries),
            "submissions": len(mine),
            "approved": count(mine, "APPROVED"),
            "pending": count(mine, "PENDING"),
            "last_points_at": max((one.at for one in entries), default=None),
        }

    def day(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()


def count(evidence: Iterable[Evidence], status: str) -> int:
    return sum(one.status == status for one in evidence)
