"""The programme in memory: a second opinion, written from the rules (docs and domain), not from the service.

Pure: no database, no HTTP, no clock of its own. `apply(step, now)` answers what the service must answer and changes the
state as the service must. People, submissions and events are known by labels that the steps give them, so that a list
of steps stays meaningful when some of them are left out.
"""

import pickle
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Self, cast

ROLES = ("PARTICIPANT", "REVIEWER", "ADMIN", "SUPERADMIN")
STAGES = ("LEARN", "EXPLORE", "AMPLIFY", "PRESENT", "SHINE")
TAGS = {"elevate-ai-1-completed": 10, "elevate-ai-2-completed": 10, "learn_completed": 20}
FULL = {"LEARN": 20, "EXPLORE": 50, "PRESENT": 20, "SHINE": 0}
LEARN_CAP, PEERS, STUDENTS, HOURLY = 20, 50, 200, 10
WEEK, HOUR, CLAIM, KEY, GRACE = (
    timedelta(days=7), timedelta(minutes=60), timedelta(minutes=15), timedelta(hours=24), timedelta(days=7),
)  # fmt: skip
BOARD_30D = timedelta(hours=720)
LIVE = ("PENDING", "APPROVED")


@dataclass(frozen=True)
class Step:
    """`label` names what the step makes: a submission, an event, an adjustment. `args` are plain values."""

    kind: str
    label: str
    actor: str
    args: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Step({self.kind!r}, {self.label!r}, {self.actor!r}, {self.args!r})"


Change = tuple[str | None, str, str, str]
"""What the audit log has to say: actor, action, type and label of the target."""


@dataclass
class Answer:
    """What the service must say. `codes`: it refuses, with any of these problems (their order is nobody's rule)."""

    status: int = 200
    says: dict[str, Any] = field(default_factory=dict)
    codes: frozenset[str] = frozenset()
    changes: list[Change] = field(default_factory=list)
    replay_of: str | None = None


@dataclass
class Person:
    id: str
    role: str = "PARTICIPANT"
    email: str | None = None
    verified: bool = False
    shown: bool = True
    cohort: str | None = None
    contact: str | None = None
    erase_at: datetime | None = None
    erased: bool = False
    suspended: bool = False

    def may(self, role: str) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass
class Submission:
    label: str
    owner: str
    stage: str
    payload: dict[str, Any]
    visibility: str
    at: datetime
    status: str = "PENDING"
    version: int = 1
    points: int | None = None
    reviewer: str | None = None
    holder: str | None = None
    held_at: datetime | None = None

    @property
    def peers(self) -> int:
        return int(self.payload.get("peersTrained", 0))

    @property
    def students(self) -> int:
        return int(self.payload.get("studentsTrained", 0))


@dataclass
class Event:
    """A delivery. `first`: the event that it repeats; `contact` becomes that of the grant."""

    label: str
    body: str
    readable: bool
    added: bool
    tag: str | None
    contact: str | None
    email: str | None
    at: datetime
    told: dict[str, Any] = field(repr=False)
    status: str = "RECEIVED"
    person: str | None = None
    points: int | None = None
    first: str | None = None
    forgotten: bool = False


@dataclass
class Entry:
    person: str
    stage: str
    source: str
    points: int
    at: datetime


@dataclass
class Badge:
    criteria: dict[str, Any]
    active: bool = True


@dataclass
class Kept:
    """An answer that a key repeats."""

    request: Any
    answer: Answer
    label: str
    names: tuple[str, ...]
    at: datetime


def approvals(stage: str) -> dict[str, Any]:
    return {"type": "approvals", "activity": stage, "atLeast": 1}


def refused(*codes: str) -> Answer:
    return Answer(codes=frozenset(codes))


class Programme:
    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.submissions: dict[str, Submission] = {}
        self.events: dict[str, Event] = {}
        self.ledger: dict[str, Entry] = {}
        self.earned: dict[tuple[str, str], str | None] = {}
        self.keys: dict[tuple[str, str], Kept] = {}
        self.badges: dict[str, Badge] = {
            "STARTER": Badge({"type": "points", "activity": "LEARN", "atLeast": 20}),
            "IN_CLASS_INNOVATOR": Badge(approvals("EXPLORE")),
            "COMMUNITY_VOICE": Badge(approvals("PRESENT")),
            "AMPLIFIER": Badge(approvals("AMPLIFY")),
            "SHINE_NOMINEE": Badge(approvals("SHINE")),
        }
        self.boards: dict[str, dict[str, int]] | None = None
        self._changes: list[Change] = []
        self._matching = False

    def copy(self) -> Self:
        return cast("Self", pickle.loads(pickle.dumps(self)))  # noqa: S301 - our own objects, a moment old

    # --- one step ---------------------------------------------------------------------------------------------------

    def apply(self, step: Step, now: datetime) -> Answer | None:
        """What the service must answer; None when the step speaks of what does not exist here."""
        if not self._is_meant(step):
            return None
        rule = cast("Callable[[Step, datetime], Answer]", getattr(self, f"do_{step.kind}"))
        self._changes = []
        early = self._refuse_caller(step) or self._repeat(step, now)
        answer = early or rule(step, now)
        answer.changes = self._changes
        if early is None and not answer.codes and (key := step.args.get("key")) is not None:
            self._keep(step, key, answer, now)
        return answer

    def _is_meant(self, step: Step) -> bool:
        known: dict[str, dict[str, Any]] = {"of": self.submissions, "event": self.events, "person": self.people}
        named = [(kind, value) for kind, value in step.args.items() if kind in known]
        actor_is_known = step.actor in self.people or step.kind in ("arrive", *MACHINES)
        decisions = step.args.get("decisions")
        if decisions is not None and not any(one["of"] in self.submissions for one in decisions):
            return False
        return actor_is_known and all(value in known[kind] for kind, value in named)

    def _refuse_caller(self, step: Step) -> Answer | None:
        if step.kind in MACHINES or step.actor not in self.people:
            return None
        caller = self.people[step.actor]
        if caller.erased:
            return refused("USER_ERASED")
        if caller.suspended:
            return refused("USER_SUSPENDED")
        return None if caller.may(NEEDS.get(step.kind, "PARTICIPANT")) else refused("FORBIDDEN")

    def _repeat(self, step: Step, now: datetime) -> Answer | None:
        kept = self.keys.get((step.actor, step.args.get("key", "")))
        if kept is None or kept.at <= now - KEY:
            return None
        if kept.request != _request(step):
            return refused("IDEMPOTENCY_KEY_REUSED")
        return Answer(kept.answer.status, replay_of=kept.label)

    def _keep(self, step: Step, key: str, answer: Answer, now: datetime) -> None:
        names = (str(step.args.get("person", "")), str(answer.says.get("awardedBy") or ""))
        self.keys[step.actor, key] = Kept(_request(step), answer, step.label, names, now)

    def _told(self, actor: str | None, action: str, kind: str, target: str) -> None:
        self._changes.append((actor, action, kind, target))

    # --- people -----------------------------------------------------------------------------------------------------

    def do_arrive(self, step: Step, now: datetime) -> Answer:
        """A token of somebody: new, or known and with another address."""
        email, verified = step.args["email"], step.args["verified"]
        person = self.people.get(step.actor)
        if person is None:
            self._take_address(step.actor, email, verified)
            person = self.people[step.actor] = Person(step.actor, email=email, verified=verified)
            self._told(step.actor, "user.create", "user", step.actor)
            self._match_waiting(person, now)
        elif (person.email, person.verified) != (email, verified):
            self._take_address(step.actor, email, verified)
            person.email, person.verified = email, verified
            self._told(step.actor, "user.identity", "user", step.actor)
            self._match_waiting(person, now)
        return Answer(200, {"id": step.actor, "role": person.role})

    def _take_address(self, newcomer: str, email: str | None, verified: bool) -> None:
        """The same person under a new id: whoever had the address verified, has it no more."""
        for other in self.people.values():
            if verified and other.id != newcomer and other.email == email and other.verified:
                other.verified = False
                self._told(newcomer, "user.email_unverified", "user", other.id)

    def do_show(self, step: Step, _now: datetime) -> Answer:
        """The owner opts in or out, names a cohort."""
        person = self.people[step.actor]
        changed = (person.shown, person.cohort) != (step.args["shown"], step.args["cohort"])
        person.shown, person.cohort = step.args["shown"], step.args["cohort"]
        if changed:
            self._told(step.actor, "user.update", "user", step.actor)
        return Answer(200, {"showOnLeaderboard": person.shown, "cohort": person.cohort})

    def do_promote(self, step: Step, _now: datetime) -> Answer:
        actor, person, role = self.people[step.actor], self.people[step.args["person"]], step.args["role"]
        if person.role == role:
            return Answer(200, {"role": role})
        problems = set()
        top = max(ROLES.index(role), ROLES.index(person.role))
        if actor is person or (actor.role != "SUPERADMIN" and top >= ROLES.index(actor.role)):
            problems.add("FORBIDDEN")
        if person.erased:
            problems.add("CONFLICT")
        if person.role == "SUPERADMIN" and not self._another_superadmin(person):
            problems.add("LAST_SUPERADMIN")
        if problems:
            return refused(*problems)
        person.role = role
        self._told(step.actor, "user.role", "user", person.id)
        return Answer(200, {"role": role})

    def _another_superadmin(self, person: Person, *, staying: bool = False) -> bool:
        return any(
            other.role == "SUPERADMIN" and not other.erased and not other.suspended and other is not person
            and not (staying and other.erase_at is not None)
            for other in self.people.values()
        )  # fmt: skip

    def do_bind(self, step: Step, now: datetime) -> Answer:
        """An administrator says whose contact it is."""
        person, contact = self.people[step.args["person"]], step.args["contact"]
        if person.contact == contact:
            return Answer(200, {"kajabiContactId": contact})
        problems = {"CONFLICT"} if person.erased else set()
        if contact is not None and self._owner_of(contact) not in (None, person.id):
            problems.add("KAJABI_CONTACT_TAKEN")
        if problems:
            return refused(*problems)
        person.contact = contact
        self._told(step.actor, "user.update", "user", person.id)
        self._match_waiting(person, now)
        return Answer(200)

    def do_ask_erasure(self, step: Step, now: datetime) -> Answer:
        person = self.people[step.actor]
        if person.erase_at is None:
            if person.role == "SUPERADMIN" and not self._another_superadmin(person, staying=True):
                return refused("LAST_SUPERADMIN")
            person.erase_at = now + GRACE
            self._told(step.actor, "user.erasure_request", "user", step.actor)
        return Answer(202)

    def do_cancel_erasure(self, step: Step, _now: datetime) -> Answer:
        person = self.people[step.actor]
        if person.erase_at is not None:
            person.erase_at = None
            self._told(step.actor, "user.erasure_cancel", "user", step.actor)
        return Answer(200, {"eraseAt": None})

    def do_erase_due(self, _step: Step, now: datetime) -> Answer:
        due = [one for one in self.people.values() if one.erase_at is not None and one.erase_at <= now]
        for person in sorted(due, key=lambda one: cast("datetime", one.erase_at)):
            if not person.erased:
                self._erase(person)
        return Answer()

    def do_clerk_deletes(self, step: Step, now: datetime) -> Answer:
        person = self.people[step.args["person"]]
        if person.erased:
            return Answer(200, {"status": "ignored"})
        if self._erase(person):
            return Answer(200, {"status": "deleted"})
        if not (person.suspended and person.erase_at is not None):
            person.suspended, person.erase_at = True, person.erase_at or now
            self._told(None, "user.suspend", "user", person.id)
        return Answer(200, {"status": "suspended"})

    def _erase(self, person: Person) -> bool:
        """False for the last SUPERADMIN, who stays."""
        if person.role == "SUPERADMIN" and not self._another_superadmin(person):
            return False
        email, contact = person.email, person.contact
        person.email, person.verified, person.contact, person.cohort = None, False, None, None
        person.shown, person.erased, person.erase_at = False, True, None
        for one in self.submissions.values():
            if person.id in (one.owner, one.holder):
                one.holder = None
            if one.owner == person.id:
                one.visibility = "PRIVATE"
                one.status = "WITHDRAWN" if one.status == "PENDING" else one.status
        self._forget_deliveries(person, email, contact)
        for name, kept in list(self.keys.items()):
            staff = self.people[name[0]].role != "PARTICIPANT"
            if name[0] == person.id or (staff and person.id in kept.names):
                del self.keys[name]
        self._told(None, "user.erase", "user", person.id)
        return True

    def _forget_deliveries(self, person: Person, email: str | None, contact: str | None) -> None:
        if any(other.email == email and other.verified for other in self.people.values()):
            email = None
        for event in self.events.values():
            names = (event.email is not None and event.email == email) or (
                event.contact is not None and event.contact == contact
            )
            told = not event.readable and event.status == "FAILED" and email is not None and email in event.body
            if event.person == person.id or (event.person is None and names) or told:
                _forget(event)

    # --- evidence ---------------------------------------------------------------------------------------------------

    def do_submit(self, step: Step, now: datetime) -> Answer:
        stage, payload = step.args["stage"], step.args["payload"]
        mine = [one for one in self.submissions.values() if one.owner == step.actor]
        problems = set()
        if sum(one.at > now - HOUR for one in mine) >= HOURLY:
            problems.add("SUBMISSION_RATE_LIMITED")
        if stage == "LEARN" and any(one.stage == "LEARN" and one.status in LIVE for one in mine):
            problems.add("LEARN_ALREADY_ACTIVE")
        new = Submission(step.label, step.actor, stage, payload, step.args["visibility"], now)
        if self._beyond_quota(new):
            problems.add("AMPLIFY_QUOTA_EXCEEDED")
        if problems:
            return refused(*problems)
        self.submissions[step.label] = new
        self._told(step.actor, "submission.create", "submission", step.label)
        return Answer(201, {"status": "PENDING", "version": 1, "pointsAwarded": None, "userId": step.actor})

    def _beyond_quota(self, judged: Submission) -> bool:
        """Over any 7 days that contain its own creation, with everything PENDING or APPROVED in them."""
        if judged.stage != "AMPLIFY":
            return False
        others = [
            one for one in self.submissions.values()
            if one.owner == judged.owner and one.stage == "AMPLIFY" and one.status in LIVE and one.label != judged.label
        ]  # fmt: skip
        ends = [judged.at, *(one.at for one in others if judged.at <= one.at < judged.at + WEEK)]
        for end in ends:
            inside = [judged, *(one for one in others if end - WEEK < one.at <= end)]
            if sum(one.peers for one in inside) > PEERS or sum(one.students for one in inside) > STUDENTS:
                return True
        return False

    def used_quota(self, person: str, now: datetime) -> tuple[int, int]:
        inside = [
            one for one in self.submissions.values()
            if one.owner == person and one.stage == "AMPLIFY" and one.status in LIVE and one.at > now - WEEK
        ]  # fmt: skip
        return sum(one.peers for one in inside), sum(one.students for one in inside)

    def do_edit(self, step: Step, _now: datetime) -> Answer:
        one = self.submissions[step.args["of"]]
        if one.owner != step.actor:
            return refused("NOT_FOUND")
        if one.status != "PENDING":
            return refused("SUBMISSION_NOT_PENDING")
        payload = step.args.get("payload", one.payload)
        visibility = step.args.get("visibility", one.visibility)
        judged = Submission(one.label, one.owner, one.stage, payload, visibility, one.at)
        if payload != one.payload and self._beyond_quota(judged):
            return refused("AMPLIFY_QUOTA_EXCEEDED")
        one.version += (payload, visibility) != (one.payload, one.visibility)
        one.payload, one.visibility = payload, visibility
        self._told(step.actor, "submission.edit", "submission", one.label)
        return Answer(200, {"status": "PENDING", "version": one.version, "visibility": visibility})

    def do_withdraw(self, step: Step, _now: datetime) -> Answer:
        one = self.submissions[step.args["of"]]
        if one.owner != step.actor:
            return refused("NOT_FOUND")
        if one.status != "PENDING":
            return refused("SUBMISSION_NOT_PENDING")
        one.status = "WITHDRAWN"
        self._told(step.actor, "submission.withdraw", "submission", one.label)
        return Answer(200, {"status": "WITHDRAWN", "version": one.version})

    # --- review -----------------------------------------------------------------------------------------------------

    def do_claim(self, step: Step, now: datetime) -> Answer:
        free = [
            one for one in self.submissions.values()
            if one.status == "PENDING" and one.owner != step.actor and not self._is_held(one, now)
            and step.args.get("stage") in (None, one.stage)
        ]  # fmt: skip
        taken = sorted(free, key=lambda one: one.at)[: step.args["count"]]
        for one in taken:
            one.holder, one.held_at = step.actor, now
        return Answer(200, {"taken": sorted(one.label for one in taken)})

    def _is_held(self, one: Submission, now: datetime, but: str | None = None) -> bool:
        return one.holder not in (None, but) and one.held_at is not None and one.held_at > now - CLAIM

    def do_release(self, step: Step, now: datetime) -> Answer:
        one = self.submissions[step.args["of"]]
        if one.holder != step.actor or not self._is_held(one, now):
            return refused("NOT_FOUND")
        one.holder = None
        return Answer(204)

    def _decision_problems(self, step: Step, one: Submission, version: int | None, now: datetime) -> set[str]:
        problems = {"OWN_SUBMISSION"} if one.owner == step.actor else set()
        if one.status == "WITHDRAWN":
            problems.add("SUBMISSION_NOT_PENDING")
        elif one.status != "PENDING":
            problems.add("ALREADY_REVIEWED")
        if version is not None and version != one.version:
            problems.add("SUBMISSION_CHANGED")
        if self._is_held(one, now, step.actor):
            problems.add("CLAIMED_BY_ANOTHER")
        return problems

    def do_approve(self, step: Step, now: datetime) -> Answer:
        one = self.submissions[step.args["of"]]
        problems = self._decision_problems(step, one, step.args.get("version"), now)
        computed, lowest, highest = self.award_of(one)
        points = step.args.get("points", computed)
        if not lowest <= points <= highest:
            problems.add("POINT_ADJUSTMENT_OUT_OF_BOUNDS")
        if self._certificate_is_used(one):
            problems.add("CERTIFICATE_ALREADY_USED")
        if problems:
            return refused(*problems)
        one.status, one.reviewer, one.points, one.holder = "APPROVED", step.actor, points, None
        if points:
            self.ledger[f"submission:{one.label}:approved:v1"] = Entry(one.owner, one.stage, "FORM", points, now)
        badges = self._grant_badges(one.owner)
        self._told(step.actor, "submission.approve", "submission", one.label)
        return Answer(200, {"pointsAwarded": points, "badgesEarned": badges})

    def award_of(self, one: Submission) -> tuple[int, int, int]:
        """What an approval awards now, and the bounds of a reviewer's adjustment: a fifth, rounded up."""
        points = 2 * one.peers + one.students if one.stage == "AMPLIFY" else FULL[one.stage]
        if one.stage in ("EXPLORE", "PRESENT") and any(
            other.stage == one.stage and other.owner == one.owner and other.status == "APPROVED" and other.points
            for other in self.submissions.values() if other.label != one.label
        ):  # fmt: skip
            points = 0
        room = self.learn_room(one.owner) if one.stage == "LEARN" else 10**6
        points = min(points, room)
        margin = (points + 4) // 5
        return points, max(0, points - margin), min(points + margin, room)

    def learn_room(self, person: str) -> int:
        awarded = sum(
            entry.points for entry in self.ledger.values()
            if (entry.person, entry.stage) == (person, "LEARN") and entry.source != "MANUAL"
        )  # fmt: skip
        return max(0, LEARN_CAP - awarded)

    def _certificate_is_used(self, one: Submission) -> bool:
        mine = str(one.payload.get("certificateHash", "")).lower()
        return one.stage == "LEARN" and mine != "" and any(
            other.status == "APPROVED" and other.stage == "LEARN" and other.label != one.label
            and str(other.payload.get("certificateHash", "")).lower() == mine
            for other in self.submissions.values()
        )  # fmt: skip

    def do_reject(self, step: Step, now: datetime) -> Answer:
        one = self.submissions[step.args["of"]]
        problems = self._decision_problems(step, one, step.args.get("version"), now)
        if problems:
            return refused(*problems)
        one.status, one.reviewer, one.holder = "REJECTED", step.actor, None
        self._told(step.actor, "submission.reject", "submission", one.label)
        return Answer(200, {"status": "REJECTED", "pointsAwarded": None})

    def do_bulk(self, step: Step, now: datetime) -> Answer:
        """Each decision on its own, one after the other."""
        results = []
        for decision in step.args["decisions"]:
            if decision["of"] not in self.submissions:
                continue
            part = Step(decision["decision"], step.label, step.actor, decision)
            rule = self.do_approve if part.kind == "approve" else self.do_reject
            results.append((decision["of"], rule(part, now)))
        return Answer(200, {"results": results})

    def do_revoke(self, step: Step, now: datetime) -> Answer:
        one = self.submissions[step.args["of"]]
        problems = {"OWN_SUBMISSION"} if one.owner == step.actor else set()
        if one.status != "APPROVED":
            problems.add("SUBMISSION_NOT_APPROVED")
        if problems:
            return refused(*problems)
        one.status = "REVOKED"
        if one.points:
            self.ledger[f"submission:{one.label}:revoked:v1"] = Entry(one.owner, one.stage, "FORM", -one.points, now)
        self._told(step.actor, "submission.revoke", "submission", one.label)
        return Answer(200, {"status": "REVOKED"})

    # --- points and badges ------------------------------------------------------------------------------------------

    def do_adjust(self, step: Step, now: datetime) -> Answer:
        person = self.people[step.args["person"]]
        problems = {"OWN_POINTS"} if person.id == step.actor else set()
        if person.erased:
            problems.add("NOT_FOUND")
        if problems:
            return refused(*problems)
        points = step.args["points"]
        self.ledger[f"adjustment:{step.label}"] = Entry(person.id, step.args["stage"], "MANUAL", points, now)
        badges = self._grant_badges(person.id)
        self._told(step.actor, "points.adjust", "user", person.id)
        return Answer(201, {"deltaPoints": points, "userId": person.id, "badgesEarned": badges})

    def points_of(self, person: str, stage: str | None = None) -> int:
        return sum(e.points for e in self.ledger.values() if e.person == person and stage in (None, e.stage))

    def _grant_badges(self, person: str) -> list[str]:
        """Once each, never taken away; with the row that earns them."""
        new = [
            code for code, badge in self.badges.items()
            if badge.active and badge.criteria and (person, code) not in self.earned
            and self._meets(person, badge.criteria)
        ]  # fmt: skip
        for code in new:
            self.earned[person, code] = None
            self._told(None, "badge.grant", "user", person)
        return sorted(new)

    def _meets(self, person: str, criteria: dict[str, Any]) -> bool:
        if criteria["type"] in ("any", "all"):
            parts = [self._meets(person, part) for part in criteria["of"]]
            return any(parts) if criteria["type"] == "any" else all(parts)
        stage = criteria.get("activity")
        if criteria["type"] == "points":
            have = self.points_of(person, stage)
        else:
            have = sum(
                one.status == "APPROVED" and one.owner == person and stage in (None, one.stage)
                for one in self.submissions.values()
            )
        return bool(have >= criteria["atLeast"])

    def do_make_badge(self, step: Step, _now: datetime) -> Answer:
        if step.args["code"] in self.badges:
            return refused("BADGE_EXISTS")
        self.badges[step.args["code"]] = Badge(step.args["criteria"])
        self._told(step.actor, "badge.create", "badge", step.args["code"])
        return Answer(201, {"code": step.args["code"], "criteria": step.args["criteria"]})

    def do_retire_badge(self, step: Step, _now: datetime) -> Answer:
        badge = self.badges.get(step.args["code"])
        if badge is None:
            return refused("NOT_FOUND")
        if badge.active != step.args["active"]:
            badge.active = step.args["active"]
            self._told(step.actor, "badge.update", "badge", step.args["code"])
        return Answer(200, {"active": badge.active})

    def do_award_badge(self, step: Step, _now: datetime) -> Answer:
        person, code = self.people[step.args["person"]], step.args["code"]
        if person.erased or code not in self.badges:
            return refused("NOT_FOUND")
        if (person.id, code) in self.earned:
            return Answer(200, {"badgeCode": code, "awardedBy": self.earned[person.id, code]})
        self.earned[person.id, code] = step.actor
        self._told(step.actor, "badge.award", "user", person.id)
        return Answer(201, {"badgeCode": code, "awardedBy": step.actor})

    # --- Kajabi -----------------------------------------------------------------------------------------------------

    def do_deliver(self, step: Step, now: datetime) -> Answer:
        """A delivery, whatever it says; the same bytes again are a duplicate of the first."""
        args = step.args
        tag, email = args["tag"], args["email"]
        event = Event(
            step.label, args["body"], args["readable"], args["added"], None if tag is None else tag.strip().lower(),
            args["contact"], None if email is None else email.strip().lower(), now, args,
        )  # fmt: skip
        first = self._first_of(event.body)
        self.events[step.label] = event
        if first is not None:
            event.status, event.first, event.forgotten = "DUPLICATE", first.label, first.forgotten
            if first.forgotten:
                event.email = None
            if first.readable and first.status == "UNMATCHED":
                self._settle(first, None, now)
        elif not event.readable:
            event.status = "FAILED"
        else:
            self._settle(event, None, now)
        return self._receipt(event)

    def _receipt(self, event: Event) -> Answer:
        if not event.readable:
            return refused("MALFORMED_JSON", "KAJABI_SHAPE_UNKNOWN")
        told = event
        while told.first is not None:
            told = self.events[told.first]
        status = 202 if told.status in ("UNMATCHED", "FAILED", "RECEIVED") else 200
        says = {"event": told.label, "status": told.status, "duplicate": told is not event}
        return Answer(status, {**says, "pointsAwarded": told.points or 0})

    def _first_of(self, body: str) -> Event | None:
        same = [event for event in self.events.values() if event.body == body]
        if not same:
            return None
        found = next((event for event in same if event.first is None), same[0])
        while found.first is not None:
            found = self.events[found.first]
        return found

    def _owner_of(self, contact: str | None) -> str | None:
        owners = (one.id for one in self.people.values() if contact is not None and one.contact == contact)
        return next(owners, None)

    def _recipient(self, event: Event) -> Person | None:
        """By contact first, then by verified address."""
        owner = self._owner_of(event.contact)
        if owner is not None:
            return self.people[owner]
        holders = (
            one for one in self.people.values() if event.email is not None and one.verified and one.email == event.email
        )
        return next(holders, None)

    def _granted(self, tag: str | None, fits: Callable[[Event], bool]) -> Event | None:
        return next((e for e in self.events.values() if e.status == "PROCESSED" and e.tag == tag and fits(e)), None)

    def _settle(self, event: Event, chosen: Person | None, now: datetime) -> None:
        if not event.added or event.tag not in TAGS:
            event.status = "IGNORED"
            return
        person = chosen or self._recipient(event)
        by_contact = self._granted(event.tag, lambda e: event.contact is not None and e.contact == event.contact)
        if person is None:
            self._settle_for_nobody(event, by_contact)
            return
        contact = event.contact or person.contact or f"user:{person.id}"
        given = (
            self._granted(event.tag, lambda e: e.person == person.id)
            or by_contact
            or self._granted(event.tag, lambda e: e.contact == contact)
        )
        event.person = person.id
        if given is not None:
            event.status, event.first = "DUPLICATE", given.label
            return
        self._grant(event, person, contact, now)

    def _settle_for_nobody(self, event: Event, given: Event | None) -> None:
        """Nobody's, or that of somebody who was erased: nothing of it is kept then."""
        gone = any(
            e.status == "PROCESSED" and event.contact is not None and e.contact == event.contact
            and e.person is not None and self.people[e.person].erased
            for e in self.events.values()
        )  # fmt: skip
        event.status = "DUPLICATE" if given is not None else "IGNORED" if gone else "UNMATCHED"
        event.first = None if given is None else given.label
        if gone:
            event.forgotten, event.email = True, None

    def _grant(self, event: Event, person: Person, contact: str, now: datetime) -> None:
        own = event.contact
        points = min(TAGS[str(event.tag)], self.learn_room(person.id))
        event.status, event.points, event.contact = "PROCESSED", points, contact
        if points:
            self.ledger[f"kajabi:{contact}|tag:{event.tag}"] = Entry(person.id, "LEARN", "WEBHOOK", points, now)
        self._told(None, "kajabi.grant", "user", person.id)
        bound = own is not None and person.contact is None and self._owner_of(own) is None
        if bound:
            person.contact = own
        if points:
            self._grant_badges(person.id)
        if bound:
            self._match_waiting(person, now)

    def _match_waiting(self, person: Person, now: datetime) -> None:
        """What waited for this person is settled the moment that it can be, the oldest first."""
        if self._matching:
            return  # what a match makes fit comes after what fitted before
        self._matching = True
        while waiting := [event for event in self.events.values() if self._waits_for(event, person)]:
            for event in waiting:
                if event.status == "UNMATCHED":
                    self._settle(event, person, now)
        self._matching = False

    def _waits_for(self, event: Event, person: Person) -> bool:
        if event.status != "UNMATCHED":
            return False
        by_contact = event.contact is not None and event.contact == person.contact
        by_address = person.verified and event.email is not None and event.email == person.email
        return by_contact or (by_address and self._owner_of(event.contact) in (None, person.id))

    def do_match(self, step: Step, now: datetime) -> Answer:
        event, person = self.events[step.args["event"]], self.people[step.args["person"]]
        problems = set()
        if event.status in ("PROCESSED", "DUPLICATE") and event.person != person.id:
            problems.add("KAJABI_EVENT_FINAL")
        if event.forgotten or not event.readable:
            problems.add("KAJABI_EVENT_UNREADABLE")
        if person.erased:
            problems.add("CONFLICT")
        if self._owner_of(event.contact) not in (None, person.id):
            problems.add("KAJABI_CONTACT_TAKEN")
        if problems:
            return refused(*problems)
        if event.status not in ("PROCESSED", "DUPLICATE"):
            self._settle(event, person, now)
        self._told(step.actor, "kajabi.match", "kajabi_event", event.label)
        return Answer(200, {"status": event.status})

    def do_replay(self, step: Step, now: datetime) -> Answer:
        """Idempotent: what is settled stays. What waits is looked at again: another may have got its grant since."""
        event = self.events[step.args["event"]]
        if event.status == "UNMATCHED":
            self._settle(event, None, now)
            if event.status != "UNMATCHED":
                self._told(step.actor, "kajabi.replay", "kajabi_event", event.label)
        return Answer(200, {"status": event.status})

    def do_replay_all(self, step: Step, now: datetime) -> Answer:
        """The oldest first, a hundred at most."""
        changed = points = 0
        waiting = [event for event in self.events.values() if event.status == "UNMATCHED"]
        for event in waiting if step.args["status"] == "UNMATCHED" else []:
            self.do_replay(Step("replay", "", step.actor, {"event": event.label}), now)
            changed += event.status != "UNMATCHED"
            points += event.points or 0
        return Answer(200, {"changed": changed, "pointsAwarded": points})

    # --- machines and time ------------------------------------------------------------------------------------------

    def do_jump(self, step: Step, _now: datetime) -> Answer:
        """Everything that there is becomes older by whole days."""
        span = timedelta(days=step.args["days"])
        dated: Iterable[Any] = (
            *self.submissions.values(), *self.events.values(), *self.ledger.values(), *self.keys.values(),
        )  # fmt: skip
        for one in dated:
            one.at -= span
        for submission in self.submissions.values():
            submission.held_at = None if submission.held_at is None else submission.held_at - span
        for person in self.people.values():
            person.erase_at = None if person.erase_at is None else person.erase_at - span
        return Answer()

    def do_refresh(self, _step: Step, now: datetime) -> Answer:
        self.boards = {"all": self.board(now, None), "30d": self.board(now, BOARD_30D)}
        return Answer(200)

    def board(self, now: datetime, period: timedelta | None) -> dict[str, int]:
        """Points of everybody on the board of the period."""
        points: Counter[str] = Counter()
        for entry in self.ledger.values():
            if period is None or entry.at > now - period:
                points[entry.person] += entry.points
        ranked = {one.id for one in self.people.values() if one.role == "PARTICIPANT" and one.shown and not one.erased}
        return {person: total for person, total in points.items() if total > 0 and person in ranked}

    def do_retention(self, _step: Step, now: datetime) -> Answer:
        limit = now.replace(year=now.year - 1)
        for event in self.events.values():
            if event.at < limit:
                _forget(event)
        return Answer(200)

    def do_health(self, _step: Step, _now: datetime) -> Answer:
        return Answer(200)

    def alarms(self) -> set[str]:
        """What the daily checks must find: when Clerk deletes the last SUPERADMIN they are suspended and somebody is
        told; nobody can name another then.
        """
        superadmins = [one for one in self.people.values() if one.role == "SUPERADMIN" and not one.erased]
        alone = bool(superadmins) and all(one.suspended for one in superadmins)
        return {"superadmin_can_sign_in"} if alone else set()

    def do_look(self, step: Step, now: datetime) -> Answer:
        """What a person is shown of their own."""
        peers, students = self.used_quota(step.actor, now)
        return Answer(
            200,
            {
                "points": {stage: self.points_of(step.actor, stage) for stage in STAGES},
                "used": {"peers": peers, "students": students},
                "badges": sorted(code for person, code in self.earned if person == step.actor),
            },
        )


def _forget(event: Event) -> None:
    """What was sent goes, and the address; on a grant the contact stays, in the name of its ledger row."""
    event.forgotten, event.email = True, None
    if event.status != "PROCESSED":
        event.contact = None
    if event.status in ("RECEIVED", "UNMATCHED", "FAILED"):
        event.status = "IGNORED"


def _request(step: Step) -> tuple[Any, ...]:
    """What makes a request the same: everything but its key and the label that a list of steps gives it."""
    return step.kind, sorted((name, repr(value)) for name, value in step.args.items() if name != "key")


Machine = Literal["deliver", "clerk_deletes", "erase_due", "jump", "refresh", "retention", "health"]
MACHINES = ("deliver", "clerk_deletes", "erase_due", "jump", "refresh", "retention", "health")
NEEDS = {
    "claim": "REVIEWER", "release": "REVIEWER", "approve": "REVIEWER", "reject": "REVIEWER", "bulk": "REVIEWER",
    "revoke": "ADMIN", "adjust": "ADMIN", "make_badge": "ADMIN", "retire_badge": "ADMIN", "award_badge": "ADMIN",
    "promote": "ADMIN", "bind": "ADMIN", "match": "ADMIN", "replay": "ADMIN", "replay_all": "ADMIN",
}  # fmt: skip
