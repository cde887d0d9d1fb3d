from typing import Any
from uuid import UUID

from pydantic import Field

from elevate_api.kit.schemas import Instant, Schema
from elevate_api.profiles.states import StageState


class EarnedBadgeOut(Schema):
    code: str = Field(examples=["STARTER"])
    name: str = Field(examples=["Starter"])
    description: str
    icon_url: str | None
    earned_at: Instant


class PublicSubmissionOut(Schema):
    """An approved submission that its owner shows to everybody, without what is only for reviewers."""

    id: UUID
    activity_code: str = Field(examples=["AMPLIFY"])
    payload: dict[str, Any] = Field(
        description="The stage's payload without certificates, notes, other people, place and hour.",
        examples=[{"peersTrained": 4, "studentsTrained": 0, "sessionDate": "2025-01-31"}],
    )
    points_awarded: int | None = Field(examples=[8])
    created_at: Instant
    reviewed_at: Instant | None


class ProfileOut(Schema):
    """What everybody may see of a person."""

    handle: str = Field(examples=["siti-rahma"])
    name: str = Field(examples=["Siti Rahma"])
    avatar_url: str | None
    school: str | None
    cohort: str | None
    points: int = Field(description="All time, this moment.", examples=[170])
    rank: int | None = Field(
        description="On the board of all time; null at 0 points, for staff, and for who is not shown there.",
        examples=[7],
    )
    badges: list[EarnedBadgeOut]
    submissions: list[PublicSubmissionOut] = Field(description="The newest 100, newest first.")
    member_since: Instant


class StatusCountsOut(Schema):
    """How many submissions are in each status, by the status's own name."""

    pending: int = Field(alias="PENDING")
    approved: int = Field(alias="APPROVED")
    rejected: int = Field(alias="REJECTED")
    withdrawn: int = Field(alias="WITHDRAWN")
    revoked: int = Field(alias="REVOKED")


class StageOut(Schema):
    activity_code: str = Field(examples=["LEARN"])
    name: str = Field(examples=["Learn"])
    state: StageState = Field(
        description="COMPLETED: approved, or worth reached by Kajabi alone; IN_REVIEW: one is waiting; RETURNED: "
        "rejected or revoked, nothing new sent; IN_PROGRESS: some points already; NOT_STARTED: nothing."
    )
    points: int = Field(description="The caller's points of the stage, this moment.", examples=[20])
    submissions: StatusCountsOut


class PeopleOut(Schema):
    peers: int = Field(examples=[42])
    students: int = Field(examples=[150])


class AmplifyQuotaOut(Schema):
    """Over the last 7 days: what AMPLIFY submissions that wait or are approved may name, and do."""

    limit: PeopleOut
    used: PeopleOut
    left: PeopleOut


class RanksOut(Schema):
    """On each board, as of its last refresh; null without points in the period, and for staff."""

    all: int | None = Field(examples=[13])
    last_30_days: int | None = Field(alias="30d", examples=[4])


class DashboardOut(Schema):
    """Everything the caller's start page shows."""

    stages: list[StageOut] = Field(description="Every stage, in the order of the programme.")
    total_points: int = Field(description="All time, this moment.", examples=[170])
    rank: RanksOut
    badges: list[EarnedBadgeOut] = Field(description="In the order they were earned.")
    amplify_quota: AmplifyQuotaOut
