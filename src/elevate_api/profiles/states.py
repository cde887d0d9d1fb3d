"""Where a person stands in a stage."""

from collections.abc import Mapping
from enum import StrEnum


class StageState(StrEnum):
    """The first that holds, from the bottom up: what is done is done, what waits needs no action."""

    NOT_STARTED = "NOT_STARTED"
    """Nothing yet; withdrawn submissions count as nothing."""
    IN_PROGRESS = "IN_PROGRESS"
    """Some points, from Kajabi or a correction, and nothing that waits or was approved."""
    RETURNED = "RETURNED"
    """A submission was rejected or revoked, and nothing new was sent since."""
    IN_REVIEW = "IN_REVIEW"
    """A submission waits for a reviewer."""
    COMPLETED = "COMPLETED"
    """A submission is approved, or the points of the stage are reached without one (LEARN by Kajabi alone)."""


def stage_state(submissions: Mapping[str, int], points: int, default_points: int) -> StageState:
    """From counts by status, and points of the stage: the caller's, and those that it is worth (0: open-ended)."""
    if submissions.get("APPROVED", 0) > 0 or 0 < default_points <= points:
        return StageState.COMPLETED
    if submissions.get("PENDING", 0) > 0:
        return StageState.IN_REVIEW
    if submissions.get("REJECTED", 0) + submissions.get("REVOKED", 0) > 0:
        return StageState.RETURNED
    return StageState.IN_PROGRESS if points > 0 else StageState.NOT_STARTED
