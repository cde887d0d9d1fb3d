from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevate_api.kajabi.payload import Kind
from elevate_api.kajabi.rules import Decision, Standing, Status, decide, pause_after, without_standing

NEW = Standing(
    person_id="user_1",
    erased=False,
    bound_contact=None,
    contact_owner=None,
    grant_contact="77",
    awarded=0,
    points_cap=20,
    granted_event=None,
    ledger_person=None,
    ledger_points=None,
)


@pytest.mark.parametrize(
    ("kind", "tag", "reason"),
    [
        (Kind.REMOVED, "a", "tag removals change no points"),
        (Kind.OTHER, None, "not a tag event"),
        (Kind.ADDED, "b", "not a learn tag"),
    ],
)
def test_most_events_grant_nothing(kind: Kind, tag: str | None, reason: str) -> None:
    assert without_standing(kind, tag, {"a": 10}) == Decision(Status.IGNORED, reason)


def test_a_learn_tag_needs_a_look_at_the_person() -> None:
    assert without_standing(Kind.ADDED, "a", {"a": 10}) is None


@pytest.mark.parametrize(
    ("awarded", "tag_points", "points"), [(0, 10, 10), (15, 10, 5), (20, 10, 0), (0, 50, 20), (25, 10, 0), (-5, 30, 25)]
)
def test_a_grant_is_what_is_left_of_the_cap(awarded: int, tag_points: int, points: int) -> None:
    decision = decide(tag_points, replace(NEW, awarded=awarded))
    assert (decision.status, decision.points, decision.append) == (Status.PROCESSED, points, points > 0)


def test_without_a_cap_a_tag_is_worth_its_points() -> None:
    assert decide(300, replace(NEW, points_cap=None, awarded=999)).points == 300


def test_nobody_means_waiting() -> None:
    assert decide(10, None) == Decision(Status.UNMATCHED)


def test_what_was_granted_is_a_duplicate() -> None:
    first = uuid4()
    assert decide(10, replace(NEW, granted_event=first)) == Decision(Status.DUPLICATE, duplicate_of=first)


@pytest.mark.parametrize("person", ["user_1", None])
def test_the_erased_get_nothing_and_are_forgotten(person: str | None) -> None:
    decision = decide(10, replace(NEW, person_id=person, erased=True))
    assert (decision.status, decision.append, decision.forget) == (Status.IGNORED, False, True)


@pytest.mark.parametrize(("holder", "points"), [("user_1", 7), ("user_2", 0)])
def test_a_grant_that_the_ledger_has_already_is_not_written_again(holder: str, points: int) -> None:
    decision = decide(10, replace(NEW, ledger_person=holder, ledger_points=7))
    assert (decision.status, decision.points, decision.append) == (Status.PROCESSED, points, False)


@given(st.integers(1, 1000), st.integers(-1000, 1000), st.integers(0, 1000))
def test_a_grant_never_passes_the_cap_and_is_never_negative(tag_points: int, awarded: int, cap: int) -> None:
    points = decide(tag_points, replace(NEW, awarded=awarded, points_cap=cap)).points
    assert points is not None
    assert 0 <= points <= tag_points
    assert points == 0 or awarded + points <= cap


def test_a_failed_event_waits_longer_each_time_and_is_parked_in_the_end() -> None:
    pauses = [pause_after(attempts) for attempts in range(1, 10)]
    assert pauses[:7] == [timedelta(seconds=30 * 2**n) for n in range(7)]
    assert pauses[7:] == [None, None]
