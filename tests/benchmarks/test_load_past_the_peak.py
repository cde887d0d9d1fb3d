"""How `python -m benchmarks.load rise` judges what it measured."""

import pytest
from benchmarks.load.__main__ import Step, holds, is_past, judged


def step(rate: int, done: float, *, shed: float = 0, failed: int = 0) -> Step:
    return Step(rate, done, done / 2, shed, failed, 10, 100, 1500, 20, 5, 0)


RISING = [step(100, 100), step(200, 190), step(400, 300, shed=90)]


def test_what_still_rises_is_not_past_its_peak() -> None:
    assert not is_past(RISING)
    assert not holds(RISING)
    assert "not passed" in judged(RISING)


def test_one_bad_measurement_is_no_peak() -> None:
    assert not is_past([*RISING, step(600, 290, shed=300)])


def test_what_refuses_nothing_is_not_saturated() -> None:
    assert not is_past([step(100, 100), step(200, 90), step(400, 95)])


def test_throughput_that_stays_is_held_and_told() -> None:
    steps = [*RISING, step(600, 290, shed=300), step(900, 270, shed=600)]
    assert is_past(steps)
    assert holds(steps)
    assert "300/s at 400 asked for; past it never less than 90% of that (at 900)" in judged(steps)


@pytest.mark.parametrize("last", [step(900, 239, shed=600), step(900, 270, shed=600, failed=1)])
def test_a_collapse_and_a_failure_are_not_held(last: Step) -> None:
    assert not holds([*RISING, step(600, 290, shed=300), last])
