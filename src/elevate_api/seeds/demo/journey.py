"""One educator's way through the programme, played in the order of time by the service's own rules."""

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

from elevate_api.badges.criteria import Facts, is_met
from elevate_api.badges.models import EarnedBadge
from elevate_api.points import events
from elevate_api.points.models import PointAdjustment
from elevate_api.points.rules import ActivityCode, Award, Standing, compute_award
from elevate_api.seeds.demo import words
from elevate_api.seeds.demo.book import Book, Catalogue, Row
from elevate_api.seeds.demo.evidence import Payload, amplify, evidence
from elevate_api.seeds.demo.people import ADMIN, REVIEWERS, Person
from elevate_api.seeds.demo.plan import Fate, PlannedSubmission
from elevate_api.submissions.models import Submission

Step = Callable[[datetime], None]
ADJUSTED_AWARDS = 0.04
LOOK_ALIKES = 0.15
UNDECIDED = (
    "reviewer_id",
    "review_note",
    "points_awarded",
    "adjustment_reason",
    "reviewed_at",
    "revoked_by",
    "revoked_at",
    "revoke_reason",
)


class Journey:
    """Collects what happens to one person, then `play`s it; what lies after `now` has not happened yet."""

    def __init__(self, person: Person, book: Book, catalogue: Catalogue, now: datetime, zone: ZoneInfo) -> None:
        self.person, self.book, self.catalogue = person, book, catalogue
        self.rng = book.rng
        self._now, self._zone = now, zone
        self._steps: list[tuple[datetime, Step]] = []
        self._awarded: Counter[ActivityCode] = Counter()  # counts against the caps
        self._points: Counter[ActivityCode] = Counter()  # with administrators' adjustments
        self._approved: dict[UUID, Row] = {}
        self._badges: set[str] = set()
        self._last_session: Payload | None = None

    def at(self, moment: datetime, step: Step) -> None:
        self._steps.append((moment, step))

    def play(self) -> None:
        for moment, step in sorted(self._steps, key=lambda entry: entry[0]):
            if moment <= self._now:
                step(moment)

    def submit(self, planned: PlannedSubmission) -> None:
        row = self._row(planned)
        self.at(planned.at, partial(self._create, row))
        if planned.edited_at is not None:
            self.at(planned.edited_at, partial(self._edit, row))
        decide = {Fate.REJECT: self._reject, Fate.WITHDRAW: self._withdraw}.get(planned.fate, self._approve)
        self.at(planned.decided_at, partial(decide, row))
        if planned.revoked_at is not None:
            self.at(planned.revoked_at, partial(self._revoke, row))

    def room(self, stage: ActivityCode, points: int) -> int:
        """How much of `points` the stage's cap leaves."""
        cap = self.catalogue.rates[stage].points_cap
        return points if cap is None else max(0, min(points, cap - self._awarded[stage]))

    def award(self, stage: ActivityCode, source: str, points: int, cause: str, at: datetime) -> None:
        """Points that count against the cap, and the badges that they earn."""
        self._awarded[stage] += points
        self._record(stage, source, points, cause, at)

    def adjust(self, stage: ActivityCode, delta: int, reason: str, at: datetime) -> None:
        if stage is ActivityCode.AMPLIFY and self._points[stage] <= max(0, -delta):
            return  # nobody corrects a report that is not there
        adjustment_id = self.book.new_id(at)
        row: Row = {"id": adjustment_id, "user_id": self.person.id, "activity_code": stage.value}
        row |= {"delta_points": delta, "reason": reason, "created_by": ADMIN, "created_at": at}
        self.book.add(PointAdjustment, row)
        self._record(stage, "MANUAL", delta, events.adjustment(adjustment_id), at)
        details = {"adjustment": str(adjustment_id), "points": delta, "activityCode": stage.value}
        self.book.audit(ADMIN, "points.adjust", ("user", self.person.id), details, at)

    def _row(self, planned: PlannedSubmission) -> Row:
        today = planned.at.astimezone(self._zone).date()
        if planned.stage is ActivityCode.AMPLIFY:
            payload = self._session(planned, today)
        else:
            payload = evidence(self.rng, planned.stage, self.person, today)
        undecided = dict.fromkeys(UNDECIDED)
        own = {"id": self.book.new_id(planned.at), "user_id": self.person.id, "activity_code": planned.stage.value}
        state = {"status": "PENDING", "version": 1, "visibility": self.rng.choice(("PUBLIC", "PRIVATE"))}
        return own | state | undecided | {"payload": payload, "created_at": planned.at, "updated_at": planned.at}

    def _session(self, planned: PlannedSubmission, today: date) -> Payload:
        """Now and then one that looks like the last one sent in again: something for the reviewers to notice."""
        payload = amplify(self.rng, self.person, today, peers=planned.peers, students=planned.students)
        if self._last_session is not None and self.rng.random() < LOOK_ALIKES:
            payload |= {key: self._last_session[key] for key in ("sessionDate", "sessionStartTime")}
        self._last_session = payload
        return payload

    def _create(self, row: Row, at: datetime) -> None:
        self.book.add(Submission, row)
        self._audit_own("submission.create", row, at)

    def _edit(self, row: Row, at: datetime) -> None:
        row.update(version=row["version"] + 1, updated_at=at)
        self._audit_own("submission.edit", row, at)

    def _withdraw(self, row: Row, at: datetime) -> None:
        row.update(status="WITHDRAWN", updated_at=at)
        self._audit_own("submission.withdraw", row, at)

    def _reject(self, row: Row, at: datetime) -> None:
        reviewer, note = self.rng.choice(REVIEWERS), self.rng.choice(words.REJECTION_NOTES)
        row.update(status="REJECTED", reviewer_id=reviewer, review_note=note, reviewed_at=at, updated_at=at)
        details = {"version": row["version"]}
        self.book.audit(reviewer, "submission.reject", ("submission", row["id"]), details, at)

    def _approve(self, row: Row, at: datetime) -> None:
        stage, reviewer = ActivityCode(row["activity_code"]), self.rng.choice(REVIEWERS)
        computed = self._computed(stage, row)
        points, reason = self._adjusted(computed)
        row.update(status="APPROVED", reviewer_id=reviewer, review_note=self.rng.choice(words.APPROVAL_NOTES))
        row.update(points_awarded=points, adjustment_reason=reason, reviewed_at=at, updated_at=at)
        self._approved[row["id"]] = row
        before = set(self._badges)
        self.award(stage, "FORM", points, events.submission_approved(row["id"]), at)
        details = {"points": points, "computed": computed.points, "version": row["version"]}
        details["badges"] = sorted(self._badges - before)
        self.book.audit(reviewer, "submission.approve", ("submission", row["id"]), details, at)

    def _computed(self, stage: ActivityCode, row: Row) -> Award:
        others = [other for other in self._approved.values() if other["activity_code"] == stage.value]
        standing = Standing(self._awarded[stage], any(other["points_awarded"] for other in others))
        counts = row["payload"] if stage is ActivityCode.AMPLIFY else {"peersTrained": 0, "studentsTrained": 0}
        peers, students = counts["peersTrained"], counts["studentsTrained"]
        return compute_award(self.catalogue.rates[stage], standing, peers=peers, students=students)

    def _adjusted(self, computed: Award) -> tuple[int, str | None]:
        """Now and then a reviewer awards a little less than computed."""
        if computed.points == 0 or self.rng.random() > ADJUSTED_AWARDS:
            return computed.points, None
        return (computed.points + computed.lowest) // 2, self.rng.choice(words.AWARD_REASONS)

    def _revoke(self, row: Row, at: datetime) -> None:
        reason = self.rng.choice(words.REVOKE_REASONS)
        row.update(status="REVOKED", revoked_by=ADMIN, revoked_at=at, revoke_reason=reason, updated_at=at)
        del self._approved[row["id"]]
        stage = ActivityCode(row["activity_code"])
        details = {"points": -row["points_awarded"], "version": row["version"]}
        self.book.audit(ADMIN, "submission.revoke", ("submission", row["id"]), details, at)
        self.award(stage, "FORM", -row["points_awarded"], events.submission_revoked(row["id"]), at)

    def _record(self, stage: ActivityCode, source: str, delta: int, cause: str, at: datetime) -> None:
        if delta != 0:
            self._points[stage] += delta
            self.book.ledger(self.person.id, stage.value, source, delta, cause, at)
        self._grant_badges(at)

    def _grant_badges(self, at: datetime) -> None:
        approvals = Counter(row["activity_code"] for row in self._approved.values())
        facts = Facts({stage.value: points for stage, points in self._points.items()}, approvals)
        for code, criteria in self.catalogue.criteria.items():
            if code not in self._badges and is_met(criteria, facts):
                self._badges.add(code)
                row = {"user_id": self.person.id, "badge_code": code, "earned_at": at, "awarded_by": None}
                self.book.add(EarnedBadge, row)
                self.book.audit(None, "badge.grant", ("user", self.person.id), {"badge": code}, at)

    def _audit_own(self, action: str, row: Row, at: datetime) -> None:
        details = {"activityCode": row["activity_code"], "version": row["version"]}
        self.book.audit(self.person.id, action, ("submission", row["id"]), details, at)
