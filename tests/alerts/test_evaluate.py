"""The course of an alert, without a database or a clock."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevate_api.alerts.evaluate import OPEN, Kind, Notice, Observation, State, Status, evaluate, is_due
from elevate_api.alerts.rules import DEFAULTS, Name, Rule, Severity, build
from elevate_api.config import AlertSettings

START = datetime(2025, 3, 1, tzinfo=UTC)
REMINDER = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def rule(hold: float = 0, quiet: float = 0) -> Rule:
    return Rule(Name.SLOW_QUERY, Severity.WARNING, "slow", hold=hold * MINUTE, quiet=quiet * MINUTE)


@dataclass
class Course:
    """Feeds looks to a rule, minute by minute, and keeps what was told."""

    rule: Rule
    state: State = State()  # noqa: RUF009 - frozen
    now: datetime = START

    def __post_init__(self) -> None:
        self.told: list[Notice] = []

    def look(self, active: bool | None, *, minutes: float = 1, silenced: bool = False) -> list[Kind]:
        self.now += minutes * MINUTE
        seen = None if active is None else Observation(active, "seen" if active else "well")
        self.state, notices = evaluate(self.rule, self.state, seen, self.now, reminder=REMINDER, silenced=silenced)
        self.told += notices
        return [notice.kind for notice in notices]


def test_the_rules_are_the_manuals_with_its_severities_and_durations() -> None:
    rules = {rule.name: rule for rule in build(AlertSettings.model_validate({}))}
    critical = {name for name, rule in rules.items() if rule.severity is Severity.CRITICAL}
    assert [name.value for name in list(rules)[:10]] == [
        "database_connection_failure", "migration_failure", "view_refresh_failure", "amplify_quota_trigger_error",
        "foreign_key_violation", "slow_query", "connection_pool_utilization", "review_queue_backlog",
        "daily_submissions_drop", "view_staleness",
    ]  # fmt: skip
    assert critical == {*list(rules)[:5], Name.INVARIANT_VIOLATED, Name.BACKUP_OVERDUE}
    holds = {name: rule.hold for name, rule in rules.items() if rule.hold}
    assert holds == {
        Name.VIEW_REFRESH_FAILURE: 5 * MINUTE,
        Name.SLOW_QUERY: MINUTE,
        Name.CONNECTION_POOL_UTILIZATION: 5 * MINUTE,
        Name.REVIEW_QUEUE_BACKLOG: 60 * MINUTE,
    }
    assert rules[Name.VIEW_STALENESS].every == 60 * MINUTE
    assert {name for name, rule in rules.items() if rule.quiet == 15 * MINUTE} == {
        Name.AMPLIFY_QUOTA_TRIGGER_ERROR,
        Name.FOREIGN_KEY_VIOLATION,
    }


def test_the_defaults_of_the_settings_are_the_rules_own_durations() -> None:
    assert build(AlertSettings.model_validate({})) == DEFAULTS


def test_the_page_about_alerts_has_a_row_for_every_rule_with_its_severity() -> None:
    page = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|((?: [^|]+ \|){5})$", page, re.MULTILINE)
    assert [row[:2] for row in rows] == [(rule.name.value, rule.severity.value) for rule in DEFAULTS]


def test_a_condition_fires_when_it_has_lasted_and_not_before() -> None:
    course = Course(rule(hold=5))
    assert [course.look(True) for _ in range(5)] == [[]] * 5
    assert course.state.status is Status.PENDING
    assert course.look(True) == [Kind.FIRING]
    assert (course.state.status, course.state.count) == (Status.FIRING, 6)


def test_a_condition_that_ends_before_its_time_says_nothing_and_starts_over() -> None:
    course = Course(rule(hold=5))
    for _ in range(10):
        course.look(True, minutes=4)
        course.look(False, minutes=0.5)
    assert course.told == []
    assert course.state.status is Status.OK


def test_a_condition_that_lasts_is_reminded_of_once_an_interval() -> None:
    course = Course(rule())
    kinds = [kind for _ in range(180) for kind in course.look(True)]
    assert kinds == [Kind.FIRING, Kind.REMINDER, Kind.REMINDER]


def test_an_acknowledged_alert_is_quiet_until_it_is_over() -> None:
    course = Course(rule())
    course.look(True)
    course.state = replace(course.state, status=Status.ACKNOWLEDGED, acknowledged_at=course.now, acknowledged_by="me")
    assert [kind for _ in range(180) for kind in course.look(True)] == []
    assert course.look(False) == [Kind.RESOLVED]
    course.look(True, minutes=120)
    assert (course.state.status, course.state.acknowledged_by) == (Status.FIRING, None)


def test_it_is_told_once_that_it_is_over() -> None:
    course = Course(rule())
    course.look(True)
    assert course.look(False) == [Kind.RESOLVED]
    assert [course.look(False) for _ in range(90)] == [[]] * 90
    assert course.state.status is Status.OK


def test_an_event_is_over_after_the_quiet_time() -> None:
    course = Course(rule(quiet=15))
    course.look(True)
    assert [course.look(False) for _ in range(14)] == [[]] * 14
    assert course.look(False) == [Kind.RESOLVED]


def test_flapping_tells_once_an_interval_and_never_loses_a_lasting_trouble() -> None:
    course = Course(rule())
    kinds = [kind for _ in range(29) for kind in (*course.look(True), *course.look(False))]
    assert kinds == [Kind.FIRING, Kind.RESOLVED]
    late = [kind for _ in range(10) for kind in course.look(True)]
    assert late == [Kind.FIRING]


def test_what_cannot_be_found_out_changes_nothing() -> None:
    course = Course(rule())
    course.look(True)
    before = course.state
    assert course.look(None) == []
    assert course.state == before


def test_a_silence_holds_back_and_what_is_owed_is_told_at_its_end() -> None:
    course = Course(rule())
    assert course.look(True, silenced=True) == []
    assert course.state.status is Status.FIRING
    assert course.look(True) == [Kind.FIRING]
    assert course.look(False, silenced=True) == []
    assert course.look(None) == [Kind.RESOLVED]


def test_nobody_hears_of_trouble_that_began_and_ended_in_a_silence() -> None:
    course = Course(rule())
    course.look(True, silenced=True)
    course.look(False, silenced=True)
    assert course.look(None) == []


def test_a_rationed_rule_is_looked_at_in_its_time_but_always_while_open() -> None:
    hourly = replace(rule(), every=60 * MINUTE)
    looked = State(looked_at=START)
    assert is_due(hourly, State(), START)
    assert not is_due(hourly, looked, START + 59 * MINUTE)
    assert is_due(hourly, looked, START + 60 * MINUTE)
    assert is_due(hourly, replace(looked, status=Status.FIRING), START + MINUTE)


LOOKS = st.lists(
    st.tuples(
        st.sampled_from([True, False, None]),
        st.integers(min_value=1, max_value=70),
        st.booleans(),
        st.booleans(),
    ),
    max_size=60,
)


@given(looks=LOOKS, hold=st.sampled_from([0, 5, 30]), quiet=st.sampled_from([0, 15]))
def test_whatever_happens_the_promises_are_kept(
    looks: list[tuple[bool | None, int, bool, bool]], hold: int, quiet: int
) -> None:
    course = Course(rule(hold, quiet))
    true_since: datetime | None = None
    for active, minutes, silenced, acknowledge in looks:
        if acknowledge and course.state.status is Status.FIRING:
            course.state = replace(course.state, status=Status.ACKNOWLEDGED)
        was = course.state.status
        told = course.look(active, minutes=minutes, silenced=silenced)
        if active is not None:
            true_since = (true_since or course.now) if active else None
        assert len(told) <= 1
        assert not (silenced and told)
        if was not in OPEN and course.state.status in OPEN:
            assert true_since is not None
            assert course.now - true_since >= course.rule.hold
        if course.state.status is Status.ACKNOWLEDGED:
            assert told == []
    alarms = [notice for notice in course.told if notice.kind is not Kind.RESOLVED]
    assert all(later.at - earlier.at >= REMINDER for earlier, later in pairwise(alarms))
    over = [index for index, notice in enumerate(course.told) if notice.kind is Kind.RESOLVED]
    assert all(course.told[index - 1].kind is not Kind.RESOLVED for index in over)
    assert 0 not in over


@pytest.mark.parametrize("minutes", [0, 1])
def test_the_first_look_may_already_fire(minutes: int) -> None:
    assert Course(rule(hold=minutes)).look(True) == ([Kind.FIRING] if minutes == 0 else [])
