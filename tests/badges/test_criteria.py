from typing import Any

import pytest

from elevate_api.badges.criteria import BadCriteria, Facts, is_met

FACTS = Facts(points={"LEARN": 20, "EXPLORE": 0, "AMPLIFY": 7}, approvals={"EXPLORE": 1})


@pytest.mark.parametrize(
    ("criteria", "met"),
    [
        ({"type": "points", "activity": "LEARN", "atLeast": 20}, True),
        ({"type": "points", "activity": "LEARN", "atLeast": 21}, False),
        ({"type": "points", "activity": "SHINE", "atLeast": 1}, False),
        ({"type": "points", "atLeast": 27}, True),
        ({"type": "points", "atLeast": 28}, False),
        ({"type": "approvals", "activity": "EXPLORE"}, True),
        ({"type": "approvals", "activity": "EXPLORE", "atLeast": 2}, False),
        ({"type": "approvals", "atLeast": 1}, True),
        ({"type": "any", "of": [{"type": "points", "atLeast": 999}, {"type": "approvals"}]}, True),
        ({"type": "all", "of": [{"type": "points", "atLeast": 999}, {"type": "approvals"}]}, False),
        ({"type": "all", "of": [{"type": "any", "of": [{"type": "approvals"}]}]}, True),
        ({}, False),
    ],
)
def test_criteria_are_judged_by_points_and_approvals(criteria: dict[str, Any], met: bool) -> None:
    assert is_met(criteria, FACTS) is met


@pytest.mark.parametrize(
    "criteria",
    [
        {"type": "luck"},
        {"type": "points"},
        {"type": "points", "atLeast": 0},
        {"type": "points", "activity": "SLEEP", "atLeast": 1},
        {"type": "any", "of": []},
        {"type": "points", "atLeast": 1, "also": True},
    ],
)
def test_criteria_of_no_known_form_are_refused(criteria: dict[str, Any]) -> None:
    with pytest.raises(BadCriteria):
        is_met(criteria, FACTS)
