"""What processing would come to, without writing and without a lock: what dry runs say."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from elevate_api.kajabi.payload import Delivery
from elevate_api.kajabi.repository import EventRepository
from elevate_api.kajabi.rules import Decision, Standing, Status, decide, without_standing
from elevate_api.kajabi.service import LearnTags

Progress = Callable[[int], None]
"""Hears how many more are done."""


class Forecast:
    """Decisions without writing: remembers what the ones before would have granted."""

    def __init__(self, learn_tags: LearnTags) -> None:
        self._learn_tags = learn_tags
        self._points: Counter[str] = Counter()
        self._granted: set[tuple[str, str]] = set()
        self._contacts: dict[str, str] = {}

    async def of(self, events: EventRepository, found: Delivery) -> Decision:
        early = without_standing(found.kind, found.tag, self._learn_tags)
        if early is not None or found.tag is None:
            return early or Decision(Status.IGNORED)
        chosen = self._contacts.get(found.contact_id or "")
        standing = await events.standing(found.contact_id, found.email, found.tag, chosen=chosen, locking=False)
        if standing is None or standing.person_id is None:
            return decide(self._learn_tags[found.tag], standing)
        return self._decide(standing, standing.person_id, found, found.tag)

    def _decide(self, standing: Standing, person: str, found: Delivery, tag: str) -> Decision:
        if (person, tag) in self._granted or (standing.grant_contact or "", tag) in self._granted:
            return Decision(Status.DUPLICATE)
        now = replace(standing, awarded=standing.awarded + self._points[person])
        decision = decide(self._learn_tags[tag], now)
        if decision.status is Status.PROCESSED:
            self._granted |= {(person, tag), (standing.grant_contact or "", tag)}
            self._points[person] += (decision.points or 0) if decision.append else 0
            if found.contact_id is not None and standing.bound_contact is None:
                self._contacts.setdefault(found.contact_id, person)
        return decision
