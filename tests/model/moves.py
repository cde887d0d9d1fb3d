"""What somebody might do next: drawn from what there is, often enough from the edges of the rules."""

import json
from collections.abc import Callable
from random import Random
from typing import Any, cast

from tests.kajabi.deliveries import flat, hook
from tests.model.programme import (
    HOURLY,
    LIVE,
    PEERS,
    ROLES,
    STAGES,
    STUDENTS,
    TAGS,
    Programme,
    Step,
    Submission,
    approvals,
)
from tests.support.payloads import payload_for

NAMES = (
    "ani", "budi", "citra", "dewi", "eko", "fitri", "gita", "hadi", "indah", "joko", "kiki", "made", "nia", "oki",
    "putu", "rudi", "sari", "tono", "umar", "vina", "wati", "yanti", "zaki",
)  # fmt: skip
PEOPLE = 8
CONTACTS = ("11", "22", "33", "44", "55")
CERTIFICATES = ("certificate-a", "certificate-b", "CERTIFICATE-A")
CRITERIA: tuple[dict[str, Any], ...] = (
    {"type": "points", "atLeast": 60},
    {"type": "points", "activity": "AMPLIFY", "atLeast": 100},
    {"type": "approvals", "atLeast": 3},
    {"type": "all", "of": [approvals("EXPLORE"), approvals("PRESENT")]},
    {"type": "any", "of": [{"type": "points", "activity": "LEARN", "atLeast": 10}, approvals("SHINE")]},
)
Move = Callable[["Chooser", str], Step]


class Chooser:
    """Draws steps. The same random source and the same programme give the same steps."""

    def __init__(self, random: Random, programme: Callable[[], Programme]) -> None:
        self.random = random
        self._programme = programme
        self._number = 0
        self._eager, self._left = "", 0
        self._week = False

    @property
    def world(self) -> Programme:
        return self._programme()

    def step(self, *, together: bool = False) -> Step:
        self._number += 1
        if self._left and self.random.random() < 0.8:
            self._left -= 1
            return self._one_more(f"s{self._number}")
        if self._week:
            self._week = False
            if (claim := self._claim_all(f"s{self._number}")) is not None:
                return claim
        weights = {move: weight for move, weight in MOVES.items() if not (together and move in ALONE)}
        if self.random.random() < 0.01:
            # Somebody sends in all they have: limits of an hour and of a week are met in a row, or never.
            self._eager, self._left = self._somebody(), HOURLY + 4
        while True:
            move = self.random.choices(list(weights), list(weights.values()))[0]
            step = self.draw(move, f"s{self._number}")
            if step is not None:
                self._week = step.kind == "jump" and step.args["days"] in A_WEEK
                return step

    def draw(self, move: str, label: str) -> Step | None:
        """A step of this kind; None where there is nothing that it could be about."""
        return cast("Step | None", getattr(self, f"_{move}")(label))

    # --- who --------------------------------------------------------------------------------------------------------

    def _alive(self) -> list[str]:
        return [one.id for one in self.world.people.values() if not one.erased]

    def _somebody(self) -> str:
        """Mostly educators; now and then staff, or somebody who was erased."""
        everybody = list(self.world.people)
        educators = [one for one in self._alive() if self.world.people[one].role == "PARTICIPANT"]
        return self.random.choice(educators if educators and self.random.random() < 0.85 else everybody)

    def _staff(self, role: str) -> str:
        """Mostly somebody who may; now and then anybody."""
        able = [one for one in self._alive() if self.world.people[one].may(role)]
        return self.random.choice(able if able and self.random.random() < 0.95 else list(self.world.people))

    def _submission(self, owner: str | None = None, status: str | None = None) -> Submission | None:
        found = [
            one for one in self.world.submissions.values()
            if owner in (None, one.owner) and (status in (None, one.status) or self.random.random() < 0.05)
        ]  # fmt: skip
        return self.random.choice(found) if found else None

    def _key(self) -> dict[str, str]:
        return {"key": f"key-{self.random.randrange(12)}"} if self.random.random() < 0.25 else {}

    # --- people -----------------------------------------------------------------------------------------------------

    def _arrive(self, label: str) -> Step | None:
        free = [f"user_{name}" for name in NAMES if f"user_{name}" not in self.world.people]
        crowd = len(self._alive()) >= PEOPLE + 4
        known = [one for one in self._alive() if self.world.people[one].role == "PARTICIPANT"]
        if not free or (crowd and self.random.random() < 0.8):
            if not known:
                return None
            person = self.random.choice(known)
            email = f"{person[5:]}-{label}@s.test"  # an address new to them
        else:
            person = self.random.choice(free)
            other = self.random.random() < 0.1 and known
            email = f"{(self.random.choice(known) if other else person)[5:]}@s.test"
        return Step("arrive", label, person, {"email": email, "verified": self.random.random() < 0.8})

    def _show(self, label: str) -> Step:
        cohort = self.random.choice(("2025A", "2025B", None))
        return Step("show", label, self._somebody(), {"shown": self.random.random() < 0.7, "cohort": cohort})

    def _promote(self, label: str) -> Step:
        role = self.random.choice(ROLES + ROLES[:1] * 4)
        return Step("promote", label, self._staff("ADMIN"), {"person": self._somebody(), "role": role})

    def _demote(self, label: str) -> Step:
        person = self.random.choice([one for one in self.world.people if self.world.people[one].role != "PARTICIPANT"])
        role = self.random.choice(ROLES[:3])
        return Step("promote", label, self._staff("SUPERADMIN"), {"person": person, "role": role})

    def _bind(self, label: str) -> Step:
        contact = self.random.choice((*CONTACTS, None))
        return Step("bind", label, self._staff("ADMIN"), {"person": self._somebody(), "contact": contact})

    def _ask_erasure(self, label: str) -> Step:
        return Step("ask_erasure", label, self._somebody())

    def _cancel_erasure(self, label: str) -> Step:
        asked = [one.id for one in self.world.people.values() if one.erase_at is not None]
        return Step("cancel_erasure", label, self.random.choice(asked) if asked else self._somebody())

    def _erase_due(self, label: str) -> Step:
        return Step("erase_due", label, "")

    def _clerk_deletes(self, label: str) -> Step:
        return Step("clerk_deletes", label, "", {"person": self._somebody()})

    # --- evidence ---------------------------------------------------------------------------------------------------

    def _payload(self, stage: str) -> dict[str, Any]:
        if stage == "AMPLIFY":
            peers = self.random.choice((0, 1, 5, 10, 25, 30, 49, 50))
            students = self.random.choice((0, 1, 40, 100, 150, 199, 200))
            return payload_for(stage, peersTrained=peers, studentsTrained=students or (0 if peers else 1))
        if stage == "LEARN" and self.random.random() < 0.5:
            return payload_for(stage, certificateHash=self.random.choice(CERTIFICATES))
        if stage == "EXPLORE":
            return payload_for(stage, school=f"SMA {self.random.randrange(5)}")
        return payload_for(stage)

    def _submit(self, label: str) -> Step:
        stage = self.random.choices(STAGES, (3, 3, 6, 2, 1))[0]
        visibility = self.random.choice(("PRIVATE", "PUBLIC"))
        args = {"stage": stage, "payload": self._payload(stage), "visibility": visibility, **self._key()}
        return Step("submit", label, self._somebody(), args)

    def _one_more(self, label: str) -> Step:
        """Of the eager: mostly what only the limit of an hour refuses."""
        stage = self.random.choices(STAGES, (0, 6, 1, 6, 2))[0]
        args = {"stage": stage, "payload": self._payload(stage), "visibility": "PUBLIC"}
        return Step("submit", label, self._eager, args)

    def _claim_all(self, label: str) -> Step | None:
        """Of whoever claimed last, all that a week allows: too much after six days, and not after seven."""
        alive = self._alive()
        claims = [
            one for one in self.world.submissions.values()
            if one.stage == "AMPLIFY" and one.status in LIVE and one.owner in alive
        ]  # fmt: skip
        if not claims:
            return None
        payload = payload_for("AMPLIFY", peersTrained=PEERS, studentsTrained=STUDENTS)
        args = {"stage": "AMPLIFY", "payload": payload, "visibility": "PUBLIC"}
        return Step("submit", label, max(claims, key=lambda one: one.at).owner, args)

    def _edit(self, label: str) -> Step | None:
        one = self._submission(status="PENDING")
        if one is None:
            return None
        actor = one.owner if self.random.random() < 0.95 else self._somebody()
        change: dict[str, Any] = {"payload": self._payload(one.stage)} if self.random.random() < 0.7 else {}
        if not change or self.random.random() < 0.3:
            change["visibility"] = self.random.choice(("PRIVATE", "PUBLIC"))
        return Step("edit", label, actor, {"of": one.label, **change})

    def _withdraw(self, label: str) -> Step | None:
        one = self._submission(status="PENDING")
        if one is None:
            return None
        return Step(
            "withdraw", label, one.owner if self.random.random() < 0.95 else self._somebody(), {"of": one.label}
        )

    # --- review -----------------------------------------------------------------------------------------------------

    def _claim(self, label: str) -> Step:
        stage = {"stage": self.random.choice(STAGES)} if self.random.random() < 0.4 else {}
        return Step("claim", label, self._staff("REVIEWER"), {"count": self.random.randint(1, 3), **stage})

    def _release(self, label: str) -> Step | None:
        held = [one for one in self.world.submissions.values() if one.holder is not None]
        if not held:
            return None
        one = self.random.choice(held)
        return Step("release", label, self.random.choice((str(one.holder), self._staff("REVIEWER"))), {"of": one.label})

    def _seen(self, one: Submission) -> dict[str, int]:
        drawn = self.random.random()
        return {} if drawn < 0.1 else {"version": one.version if drawn < 0.9 else max(1, one.version - 1)}

    def _reviewer_of(self, one: Submission) -> str:
        return one.holder if one.holder is not None and self.random.random() < 0.7 else self._staff("REVIEWER")

    def _approve(self, label: str) -> Step | None:
        one = self._submission(status="PENDING")
        if one is None:
            return None
        args: dict[str, Any] = {"of": one.label, **self._seen(one)}
        if self.random.random() < (0.8 if one.stage == "LEARN" else 0.3):
            computed, lowest, highest = self.world.award_of(one)
            args["points"] = max(
                0, self.random.choice((computed, lowest, highest, lowest - 1, highest + 1, highest + 1))
            )
        return Step("approve", label, self._reviewer_of(one), args)

    def _reject(self, label: str) -> Step | None:
        one = self._submission(status="PENDING")
        return (
            None if one is None else Step("reject", label, self._reviewer_of(one), {"of": one.label, **self._seen(one)})
        )

    def _bulk(self, label: str) -> Step | None:
        chosen = [
            one for _ in range(self.random.randint(1, 5)) if (one := self._submission(status="PENDING")) is not None
        ]
        decisions = [
            {"of": one.label, "decision": self.random.choice(("approve", "approve", "reject")), **self._seen(one)}
            for one in chosen
        ]
        return Step("bulk", label, self._staff("REVIEWER"), {"decisions": decisions}) if decisions else None

    def _revoke(self, label: str) -> Step | None:
        one = self._submission(status="APPROVED")
        return None if one is None else Step("revoke", label, self._staff("ADMIN"), {"of": one.label})

    # --- points and badges ------------------------------------------------------------------------------------------

    def _adjust(self, label: str) -> Step:
        points = self.random.choice((-1000, -20, -10, -1, 1, 5, 20, 100, 1000))
        args = {"person": self._somebody(), "stage": self.random.choice(STAGES), "points": points}
        return Step("adjust", label, self._staff("ADMIN"), {**args, "key": f"key-{self.random.randrange(30)}"})

    def _make_badge(self, label: str) -> Step:
        code = f"EXTRA_{self.random.randrange(6)}"
        criteria = self.random.choice((*CRITERIA, {}))
        return Step("make_badge", label, self._staff("ADMIN"), {"code": code, "criteria": criteria, **self._key()})

    def _retire_badge(self, label: str) -> Step:
        code = self.random.choice((*self.world.badges, "NO_SUCH"))
        return Step("retire_badge", label, self._staff("ADMIN"), {"code": code, "active": self.random.random() < 0.6})

    def _award_badge(self, label: str) -> Step:
        args = {"code": self.random.choice((*self.world.badges, "NO_SUCH")), "person": self._somebody(), **self._key()}
        return Step("award_badge", label, self._staff("ADMIN"), args)

    # --- Kajabi -----------------------------------------------------------------------------------------------------

    def _deliver(self, label: str) -> Step:
        earlier = list(self.world.events.values())
        if earlier and self.random.random() < 0.2:
            again = self.random.choice(earlier)
            return Step("deliver", label, "", again.told)
        if self.random.random() < 0.04:
            body = self.random.choice(("{", "[]", '{"odd": "' + self._address() + '"}'))
            args = {"body": body, "readable": False, "added": False, "tag": None, "contact": None, "email": None}
        else:
            args = self._delivery(label)
        return Step("deliver", label, "", args)

    def _address(self) -> str:
        known = [str(one.email) for one in self.world.people.values() if one.email is not None]
        return self.random.choice((*known, *(f"{name}@s.test" for name in NAMES[:PEOPLE])))

    def _delivery(self, label: str) -> dict[str, Any]:
        tag = self.random.choice((*TAGS, *TAGS, "newsletter"))
        contact = self.random.choice(CONTACTS) if self.random.random() < 0.8 else None
        email = self._address() if contact is None or self.random.random() < 0.8 else None
        added = self.random.random() < 0.92
        spelled = tag.upper() + " " if self.random.random() < 0.2 else tag
        if contact is not None and self.random.random() < 0.5:
            body = hook(contact, email, spelled, "tag_added" if added else "tag_removed", label=label)
        else:
            event = "contact.tagged" if added else "tag.removed"
            body = flat(contact, email and f" {email.title()}", spelled, event_type=event, event_id=label)
            email = email and f" {email.title()}"
        return {
            "body": body.decode(), "readable": True, "added": added, "tag": spelled, "contact": contact, "email": email,
        }  # fmt: skip

    def _match(self, label: str) -> Step | None:
        events = list(self.world.events.values())
        waiting = [event for event in events if event.status == "UNMATCHED"]
        if not events:
            return None
        event = self.random.choice(waiting if waiting and self.random.random() < 0.7 else events)
        return Step("match", label, self._staff("ADMIN"), {"event": event.label, "person": self._somebody()})

    def _replay(self, label: str) -> Step | None:
        events = list(self.world.events)
        return Step("replay", label, self._staff("ADMIN"), {"event": self.random.choice(events)}) if events else None

    def _replay_all(self, label: str) -> Step:
        status = self.random.choice(("UNMATCHED", "FAILED", "IGNORED", "PROCESSED"))
        return Step("replay_all", label, self._staff("ADMIN"), {"status": status})

    # --- time and machines ------------------------------------------------------------------------------------------

    def _jump(self, label: str) -> Step:
        return Step("jump", label, "", {"days": self.random.choices((1, 3, 6, 7, 8, 29, 30, 31, 400), JUMPS)[0]})

    def _refresh(self, label: str) -> Step:
        return Step("refresh", label, "")

    def _retention(self, label: str) -> Step:
        return Step("retention", label, "")

    def _health(self, label: str) -> Step:
        return Step("health", label, "")

    def _look(self, label: str) -> Step:
        return Step("look", label, self._somebody())


A_WEEK = (6, 7)
JUMPS = (8, 5, 9, 5, 2, 1, 2, 1, 0.3)
MOVES = {
    "arrive": 5, "show": 3, "promote": 3, "demote": 1.5, "bind": 3, "ask_erasure": 1.5, "cancel_erasure": 0.6,
    "erase_due": 1.5, "clerk_deletes": 0.5, "submit": 22, "edit": 9, "withdraw": 4, "claim": 5, "release": 2,
    "approve": 16, "reject": 4, "bulk": 3, "revoke": 4, "adjust": 5, "make_badge": 1.2, "retire_badge": 1.2,
    "award_badge": 2, "deliver": 14, "match": 3, "replay": 1.5, "replay_all": 0.7, "jump": 4, "refresh": 1.5,
    "retention": 0.4, "health": 0.8, "look": 4,
}  # fmt: skip
ALONE = ("jump", "refresh", "retention", "health", "look", "claim", "erase_due", "clerk_deletes", "arrive")
"""Never at once with others. An erasure can fall between a delivery's two transactions; tests/races knows of that."""


def written(steps: list[Step]) -> str:
    """Steps as Python, to be played again."""
    return "[\n" + "".join(f"    {step!r},\n" for step in steps) + "]"


assert json.dumps(CRITERIA)
