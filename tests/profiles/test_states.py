import pytest

from elevate_api.profiles.states import StageState, stage_state


@pytest.mark.parametrize(
    ("submissions", "points", "worth", "state"),
    [
        ({}, 0, 20, "NOT_STARTED"),
        ({"WITHDRAWN": 3}, 0, 20, "NOT_STARTED"),
        ({}, 0, 0, "NOT_STARTED"),
        ({}, 10, 20, "IN_PROGRESS"),
        ({}, 20, 20, "COMPLETED"),
        ({}, 5, 0, "IN_PROGRESS"),
        ({"PENDING": 1}, 0, 20, "IN_REVIEW"),
        ({"PENDING": 1}, 10, 20, "IN_REVIEW"),
        ({"PENDING": 1, "REJECTED": 2}, 0, 20, "IN_REVIEW"),
        ({"REJECTED": 1}, 0, 20, "RETURNED"),
        ({"REVOKED": 1}, 0, 20, "RETURNED"),
        ({"REJECTED": 1}, 10, 20, "RETURNED"),
        ({"APPROVED": 1}, 16, 20, "COMPLETED"),
        ({"APPROVED": 1, "PENDING": 1}, 8, 0, "COMPLETED"),
        ({"APPROVED": 1}, 0, 0, "COMPLETED"),
    ],
)
def test_the_state_of_a_stage(submissions: dict[str, int], points: int, worth: int, state: str) -> None:
    assert stage_state(submissions, points, worth) is StageState(state)
