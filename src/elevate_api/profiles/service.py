"""What is said of one person, put together from its reads."""

from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.kit.problems import NotFound
from elevate_api.leaderboards.queries import Period, standing
from elevate_api.points.queries import summary_of
from elevate_api.profiles import queries
from elevate_api.profiles.public_fields import public_payload
from elevate_api.profiles.queries import Claimed, PublicPerson, PublicSubmission, StageProgress
from elevate_api.profiles.schemas import (
    AmplifyQuotaOut,
    DashboardOut,
    EarnedBadgeOut,
    PeopleOut,
    ProfileOut,
    PublicSubmissionOut,
    RanksOut,
    StageOut,
    StatusCountsOut,
)
from elevate_api.profiles.states import stage_state


async def profile(session: AsyncSession, handle: str) -> ProfileOut:
    """Raises NotFound where nobody has the handle any more, or yet."""
    person = await queries.person_by_handle(session, handle)
    if person is None:
        raise NotFound
    return ProfileOut(
        handle=person.handle,
        name=person.name,
        avatar_url=person.avatar_url,
        school=person.school,
        cohort=person.cohort,
        points=(await summary_of(session, person.id)).total_points,
        rank=await _public_rank(session, person),
        badges=await _badges(session, person.id),
        submissions=[_shown(submission) for submission in await queries.public_submissions(session, person.id)],
        member_since=person.created_at,
    )


async def dashboard(session: AsyncSession, person: str) -> DashboardOut:
    stages = await queries.progress_of(session, person)
    return DashboardOut(
        stages=[_stage(stage) for stage in stages],
        total_points=sum(stage.points for stage in stages),
        rank=RanksOut(
            all=(await standing(session, person, Period.ALL)).rank,
            last_30_days=(await standing(session, person, Period.LAST_30_DAYS)).rank,
        ),
        badges=await _badges(session, person),
        amplify_quota=_quota(await queries.amplify_claims(session, person)),
    )


async def _public_rank(session: AsyncSession, person: PublicPerson) -> int | None:
    """Nobody is told the rank of who opted out of the board; they still see it themselves."""
    return (await standing(session, person.id, Period.ALL)).rank if person.show_on_leaderboard else None


async def _badges(session: AsyncSession, person: str) -> list[EarnedBadgeOut]:
    return [EarnedBadgeOut.model_validate(badge) for badge in await queries.badges_of(session, person)]


def _shown(submission: PublicSubmission) -> PublicSubmissionOut:
    return PublicSubmissionOut(
        id=submission.id,
        activity_code=submission.activity_code,
        payload=public_payload(submission.activity_code, submission.payload),
        points_awarded=submission.points_awarded,
        created_at=submission.created_at,
        reviewed_at=submission.reviewed_at,
    )


def _stage(stage: StageProgress) -> StageOut:
    return StageOut(
        activity_code=stage.activity_code,
        name=stage.name,
        state=stage_state(stage.submissions, stage.points, stage.default_points),
        points=stage.points,
        submissions=StatusCountsOut.model_validate(stage.submissions),
    )


def _quota(claimed: Claimed) -> AmplifyQuotaOut:
    return AmplifyQuotaOut(
        limit=PeopleOut(peers=claimed.peer_limit, students=claimed.student_limit),
        used=PeopleOut(peers=claimed.peers, students=claimed.students),
        left=PeopleOut(
            peers=max(0, claimed.peer_limit - claimed.peers), students=max(0, claimed.student_limit - claimed.students)
        ),
    )
