"""The demo's people: 200 educators in twelve schools, and who reviews and administers."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from elevate_api.seeds.demo import words

EDUCATORS = 200
MAIL_DOMAIN = "sekolah.example"
PROGRAMME_DAYS = 60
KNOWN_TO_KAJABI, OPTED_OUT, UNVERIFIED = 0.5, 0.04, 0.06


@dataclass(frozen=True, slots=True)
class Person:
    """An educator. `contact_id` is Kajabi's, None for who never took a course there."""

    id: str
    handle: str
    name: str
    school: words.School
    joined_at: datetime
    contact_id: str | None
    visible: bool
    verified: bool

    @property
    def email(self) -> str:
        return f"{self.handle}@{MAIL_DOMAIN}"

    def row(self) -> dict[str, Any]:
        """As a row of `users`."""
        place = {"region": self.school.region, "school": self.school.name, "cohort": self.school.cohort}
        shown = {"show_on_leaderboard": self.visible, "kajabi_contact_id": self.contact_id}
        who = {"id": self.id, "handle": self.handle, "name": self.name, "role": "PARTICIPANT"}
        mail = {"email": self.email, "email_verified": self.verified}
        return who | mail | place | shown | {"created_at": self.joined_at, "updated_at": self.joined_at}


def educators(rng: random.Random, now: datetime) -> list[Person]:
    names = rng.sample([f"{first} {last}" for first in words.FIRST_NAMES for last in words.LAST_NAMES], EDUCATORS)
    return [_educator(rng, now, number, name) for number, name in enumerate(names, start=1)]


def _educator(rng: random.Random, now: datetime, number: int, name: str) -> Person:
    return Person(
        id=f"user_demo_educator_{number:03d}",
        handle=handle_of(name),
        name=name,
        school=words.SCHOOLS[(number - 1) % len(words.SCHOOLS)],
        joined_at=now - timedelta(days=PROGRAMME_DAYS + rng.uniform(0.1, 12)),
        contact_id=str(81_000_000 + 37 * number) if rng.random() < KNOWN_TO_KAJABI else None,
        visible=rng.random() > OPTED_OUT,
        verified=rng.random() > UNVERIFIED,
    )


def handle_of(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:30]


def staff_rows(now: datetime) -> Iterator[dict[str, Any]]:
    """Reviewers, an administrator and a superadministrator, in no school and no cohort."""
    since = now - timedelta(days=PROGRAMME_DAYS + 14)
    nowhere = {"region": None, "school": None, "cohort": None, "kajabi_contact_id": None, "show_on_leaderboard": False}
    for person_id, name, role in words.STAFF_NAMES:
        handle = handle_of(name)
        who = {"id": person_id, "handle": handle, "name": name, "role": role}
        mail = {"email": f"{handle}@leaps.example", "email_verified": True}
        yield who | mail | nowhere | {"created_at": since, "updated_at": since}


REVIEWERS = tuple(person_id for person_id, _, role in words.STAFF_NAMES if role == "REVIEWER")
ADMIN = next(person_id for person_id, _, role in words.STAFF_NAMES if role == "ADMIN")
