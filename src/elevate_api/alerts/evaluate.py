"""What becomes of an alert: (rule, state, observation, now) -> (state, notices). Pure, without a clock or a database.

OK -> PENDING (seen, not yet long enough) -> FIRING -> ACKNOWLEDGED (somebody is on it) -> RESOLVED -> OK.

At most one notice that something is wrong goes out in a rule's reminder interval, whether it lasts or flaps, and for
each such notice at most one that it is over. A rule that fires again within the interval is open at once but silent
until the interval has passed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from elevate_api.alerts.rules import Rule


class Status(StrEnum):
    OK = "OK"
    PENDING = "PENDING"
    FIRING = "FIRING"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    RESOLVED = "RESOLVED"


class Kind(StrEnum):
    FIRING = "firing"
    REMINDER = "reminder"
    RESOLVED = "resolved"


OPEN = frozenset({Status.FIRING, Status.ACKNOWLEDGED})


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look at a rule's condition found. `evidence` holds numbers and names, no personal data and no secret.

    `last_at`: when it last happened, for conditions that are events; `events`: how many since the look before.
    """

    active: bool
    summary: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    last_at: datetime | None = None
    events: int = 1


@dataclass(frozen=True, slots=True)
class State:
    """`since`: start of the condition; `announced`: a notice is out that no RESOLVED has followed yet;
    `noticed_at`: when it last went out; `count`: how often it was seen (events: happened) since it began.
    """

    status: Status = Status.OK
    since: datetime | None = None
    opened_at: datetime | None = None
    last_seen_at: datetime | None = None
    resolved_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    count: int = 0
    summary: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    announced: bool = False
    noticed_at: datetime | None = None
    looked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    rule: Rule
    kind: Kind
    state: State
    at: datetime


def is_due(rule: Rule, state: State, now: datetime) -> bool:
    """Whether the rule's condition wants looking at now."""
    quiet = state.status in {Status.OK, Status.RESOLVED}
    return not quiet or state.looked_at is None or now - state.looked_at >= rule.every


def evaluate(
    rule: Rule, state: State, seen: Observation | None, now: datetime, *, reminder: timedelta, silenced: bool = False
) -> tuple[State, list[Notice]]:
    """`seen` is None where nothing could be found out, or the rule does not apply: the state stays as it is.

    `reminder`: the shortest time between two notices of a rule that something is wrong. A silence holds notices back,
    not the state; what is owed when it ends is told then.
    """
    if seen is not None:
        state = _moved(rule, replace(state, looked_at=now), seen, now, reminder)
    return (state, []) if silenced else _told(rule, state, now, reminder)


def _moved(rule: Rule, state: State, seen: Observation, now: datetime, reminder: timedelta) -> State:
    if seen.active:
        return _worse(rule, state, seen, now)
    if state.status is Status.PENDING:
        return replace(state, status=Status.OK, since=None, count=0)
    if state.status in OPEN and now - (state.last_seen_at or now) >= rule.quiet:
        return replace(state, status=Status.RESOLVED, since=None, resolved_at=now)
    if state.status is Status.RESOLVED and now - (state.resolved_at or now) >= reminder:
        return replace(state, status=Status.OK)
    return state


def _worse(rule: Rule, state: State, seen: Observation, now: datetime) -> State:
    if state.status not in OPEN and (state.status is not Status.PENDING or state.since is None):
        state = replace(state, status=Status.PENDING, since=now, count=0, acknowledged_at=None, acknowledged_by=None)
    state = replace(
        state,
        count=state.count + seen.events,
        summary=seen.summary,
        evidence=dict(seen.evidence),
        last_seen_at=seen.last_at or now,
    )
    if state.status is Status.PENDING and now - (state.since or now) >= rule.hold:
        return replace(state, status=Status.FIRING, opened_at=now, resolved_at=None)
    return state


def _told(rule: Rule, state: State, now: datetime, reminder: timedelta) -> tuple[State, list[Notice]]:
    may_speak = state.noticed_at is None or now - state.noticed_at >= reminder
    if state.status is Status.FIRING and may_speak:
        kind = Kind.REMINDER if state.announced else Kind.FIRING
        state = replace(state, announced=True, noticed_at=now)
        return state, [Notice(rule, kind, state, now)]
    if state.announced and state.status not in OPEN and state.status is not Status.PENDING:
        state = replace(state, announced=False)
        return state, [Notice(rule, Kind.RESOLVED, state, now)]
    return state, []
