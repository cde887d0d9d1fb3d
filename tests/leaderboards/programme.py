"""A small programme with many ties, and what its board must say: plain Python over the same rows."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, text
from tests.support.factories import restoring

from elevate_api.kit.db import Database
from elevate_api.points.models import LedgerEntry
from elevate_api.users.models import User

PEOPLE = 60
WINDOW = timedelta(hours=720)


@dataclass
class Person:
    id: str
    role: str = "PARTICIPANT"
    cohort: str | None = None
    school: str | None = None
    visible: bool = True
    erased: bool = False
    entries: list[tuple[int, datetime]] = field(default_factory=list)


@dataclass
class Expected:
    rank: int
    handle: str
    points: int
    reached_at: datetime
    cohort: str | None
    school: str | None


def make_programme(seed: int) -> list[Person]:
    """Few scores and few moments, so that points and even times tie; staff, opted-out, erased and indebted people."""
    dice = random.Random(seed)  # noqa: S311 - repeatable
    now = datetime.now(UTC)
    people = []
    for number in range(PEOPLE):
        person = Person(
            f"user_{number:03}",
            role=dice.choice(["PARTICIPANT"] * 8 + ["REVIEWER"]),
            cohort=dice.choice(["A", "B", None]),
            school=dice.choice(["North", "South", None]),
            visible=dice.random() > 0.1,
            erased=dice.random() < 0.05,
        )
        for _ in range(dice.randrange(4)):
            days = dice.choice([1, 2, 3, 29, 31, 60])
            person.entries.append((dice.choice([20, 20, 50, -20]), now - timedelta(days=days)))
        people.append(person)
    return people


async def store(owner: Database, people: list[Person]) -> None:
    rows = [
        {
            "id": person.id,
            "handle": handle_of(person),
            "name": f"Teacher {person.id[-3:]}",
            "role": person.role,
            "cohort": person.cohort,
            "school": person.school,
            "show_on_leaderboard": person.visible,
            "erased_at": datetime.now(UTC) if person.erased else None,
        }
        for person in people
    ]
    entries = [
        {
            "user_id": person.id,
            "activity_code": "EXPLORE",
            "source": "FORM",
            "delta_points": points,
            "created_at": created_at,
        }
        for person in people
        for points, created_at in person.entries
    ]
    async with restoring(owner) as session:
        await session.execute(insert(User), rows)
        await session.execute(insert(LedgerEntry), entries)
    await refresh(owner)


async def refresh(owner: Database) -> None:
    async with owner.session() as session:
        rows = (await session.execute(text("SELECT * FROM refresh_all_analytics()"))).all()
    assert all(row.ok for row in rows)


def handle_of(person: Person) -> str:
    return person.id.replace("_", "-")


def expected_board(people: list[Person], period: str) -> list[Expected]:
    since = datetime.now(UTC) - WINDOW if period == "30d" else datetime.min.replace(tzinfo=UTC)
    sums = []
    for person in people:
        entries = [(points, at) for points, at in person.entries if at > since]
        total = sum(points for points, _ in entries)
        if total > 0 and person.role == "PARTICIPANT" and person.visible and not person.erased:
            sums.append((total, max(at for _, at in entries), person))
    sums.sort(key=lambda row: (-row[0], row[1], row[2].id))
    return [
        Expected(
            1 + sum(other > total for other, _, _ in sums), handle_of(person), total, at, person.cohort, person.school
        )
        for total, at, person in sums
    ]
