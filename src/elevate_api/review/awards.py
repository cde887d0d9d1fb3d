"""What approving a submission would award now."""

from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.activities.models import Activity
from elevate_api.activities.repository import ActivityRepository
from elevate_api.points.repository import LedgerRepository
from elevate_api.points.rules import ActivityCode, Award, StageRates, Standing, compute_award
from elevate_api.submissions.models import Submission
from elevate_api.submissions.repository import SubmissionRepository


def rates_of(activity: Activity) -> StageRates:
    return StageRates(
        code=ActivityCode(activity.code),
        default_points=activity.default_points,
        points_cap=activity.points_cap,
        per_peer_points=activity.per_peer_points,
        per_student_points=activity.per_student_points,
    )


async def award_for(session: AsyncSession, submission: Submission) -> Award:
    """Exact under the submitter's lock; without it a figure to look at."""
    activity = await ActivityRepository(session).get(submission.activity_code)
    if activity is None:
        raise LookupError(f"stage {submission.activity_code} is gone")  # a foreign key forbids it
    standing = Standing(
        awarded=await LedgerRepository(session).awarded(submission.user_id, submission.activity_code),
        has_awarded_approval=await SubmissionRepository(session).has_awarded_approval(
            submission.user_id, submission.activity_code, submission.id
        ),
    )
    return compute_award(
        rates_of(activity), standing, peers=submission.peers_trained or 0, students=submission.students_trained or 0
    )
