from typing import Any, ClassVar

from elevate_api.kit.problems import ConstraintProblems, Problem


class AlreadyReviewed(Problem):
    status = 409
    code = "ALREADY_REVIEWED"
    title = "Already reviewed"
    detail = "This submission has been decided already."


class SubmissionChanged(Problem):
    """The submission was edited after the reviewer saw it; `current_version` is what it is at now."""

    status = 409
    code = "SUBMISSION_CHANGED"
    title = "Submission changed"
    detail = "The submission was edited after you saw it. Look at it again before you decide."
    example: ClassVar[dict[str, Any]] = {"current_version": 2}


class ClaimedByAnother(Problem):
    status = 409
    code = "CLAIMED_BY_ANOTHER"
    title = "Claimed by another reviewer"
    detail = "Another reviewer has taken this submission."


class OwnSubmission(Problem):
    status = 403
    code = "OWN_SUBMISSION"
    title = "Your own submission"
    detail = "Nobody decides about their own submission."


class OwnPoints(Problem):
    status = 403
    code = "OWN_POINTS"
    title = "Your own points"
    detail = "Nobody adjusts their own points."


class SubmissionNotApproved(Problem):
    status = 409
    code = "SUBMISSION_NOT_APPROVED"
    title = "Submission is not approved"
    detail = "Only an approval can be revoked."


class PointAdjustmentOutOfBounds(Problem):
    """Awards move by at most 20 % of the computed points, rounded up, and never beyond a cap."""

    status = 422
    code = "POINT_ADJUSTMENT_OUT_OF_BOUNDS"
    title = "Point adjustment out of bounds"
    detail = "The points are more than 20 % away from what the rules compute, or beyond the stage's cap."
    example: ClassVar[dict[str, Any]] = {"computed": 50, "lowest": 40, "highest": 50}


CONSTRAINTS: ConstraintProblems = {
    "submissions_own_review": lambda _: OwnSubmission(),
    "point_adjustments_own": lambda _: OwnPoints(),
}
