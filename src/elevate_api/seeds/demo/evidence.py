"""Payloads of the demo, in the form that the service stores."""

import hashlib
import random
from datetime import date, timedelta
from typing import Any

from elevate_api.points.rules import ActivityCode
from elevate_api.seeds.demo import words
from elevate_api.seeds.demo.people import Person

Payload = dict[str, Any]


def evidence(rng: random.Random, stage: ActivityCode, person: Person, today: date) -> Payload:
    """Evidence of `stage` sent in on the local day `today`; AMPLIFY counts are added by `amplify`."""
    if stage is ActivityCode.LEARN:
        return _learn(rng, person, today)
    if stage is ActivityCode.EXPLORE:
        return _explore(rng, person, today)
    if stage is ActivityCode.PRESENT:
        return _present(rng, person)
    if stage is ActivityCode.SHINE:
        return _shine(rng)
    raise ValueError(stage)


def amplify(rng: random.Random, person: Person, today: date, *, peers: int, students: int) -> Payload:
    return {
        "peersTrained": peers,
        "studentsTrained": students,
        "sessionDate": _days_before(rng, today, 3),
        "sessionStartTime": f"{rng.randint(8, 15):02d}:{rng.choice((0, 15, 30)):02d}:00",
        "durationMinutes": rng.choice((60, 90, 120)),
        "location": {"venue": rng.choice(words.VENUES), "city": person.school.city, "country": "Indonesia"},
        "sessionTitle": rng.choice(words.SESSION_TITLES),
    }


def _learn(rng: random.Random, person: Person, today: date) -> Payload:
    provider, course = rng.choice(words.COURSES)
    number = f"{person.handle}-{rng.randrange(10**6):06d}"
    return {
        "provider": provider,
        "courseName": course,
        "completedAt": _days_before(rng, today, 5),
        "certificateUrl": f"https://sertifikat.example/{number}",
        "certificateHash": hashlib.sha256(number.encode()).hexdigest(),
    }


def _explore(rng: random.Random, person: Person, today: date) -> Payload:
    start = rng.choice(words.REFLECTION_STARTS).format(topic=rng.choice(words.TOPICS))
    reflection = " ".join((start, rng.choice(words.REFLECTION_MIDDLES), rng.choice(words.REFLECTION_ENDS)))
    return {"reflection": reflection, "classDate": _days_before(rng, today, 4), "school": person.school.name}


def _present(rng: random.Random, person: Person) -> Payload:
    post = f"https://www.linkedin.com/posts/{person.handle}-{rng.randrange(10**6):06d}"
    return {"linkedinUrl": post, "caption": rng.choice(words.CAPTIONS)}


def _shine(rng: random.Random) -> Payload:
    title, summary = rng.choice(words.IDEAS)
    return {"ideaTitle": title, "ideaSummary": summary}


def _days_before(rng: random.Random, today: date, most: int) -> str:
    return (today - timedelta(days=rng.randint(0, most))).isoformat()
