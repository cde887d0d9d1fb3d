"""What administrators read from the views."""

from datetime import date

from pydantic import Field

from elevate_api.kit.schemas import Instant, Schema
from elevate_api.points.rules import ActivityCode

AS_OF = "When the last successful refresh of these figures started; null before the first."


class ActivityFigures(Schema):
    """One stage, all time. People and reach count what is APPROVED; points are net."""

    activity_code: ActivityCode
    activity_name: str
    submissions: int
    pending: int
    approved: int
    rejected: int
    withdrawn: int
    revoked: int
    participants: int = Field(description="People with a submission of any status.")
    average_review_seconds: float | None = Field(description="From submission to decision; null without any.")
    peers_reached: int
    students_reached: int
    total_points: int
    entries: int = Field(description="Ledger rows.")
    people_with_points: int
    micro_credentials: int = Field(description="Grants of a Kajabi tag to a person; LEARN only.")


class GroupFigures(Schema):
    """The PARTICIPANTs of one cohort or school."""

    name: str = Field(description="Empty for people without one.", examples=["2025-A"])
    participants: int
    active_participants: int = Field(description="Those with points.")
    total_points: int
    average_points: float
    submissions: int
    approved: int
    pending: int


class DayFigures(Schema):
    """One stage on one day of the programme's time zone."""

    day: date
    activity_code: ActivityCode
    submissions: int
    approved: int = Field(description="Decided that day, revoked since included.")
    rejected: int
    points: int
    entries: int
    people: int = Field(description="People who submitted that day.")


class ActivityFiguresOut(Schema):
    as_of: Instant | None = Field(description=AS_OF)
    items: list[ActivityFigures]
    next_cursor: str | None = Field(default=None, description="Always null: one page.")


class GroupFiguresOut(Schema):
    as_of: Instant | None = Field(description=AS_OF)
    items: list[GroupFigures]
    next_cursor: str | None


class DayFiguresOut(Schema):
    """90 days at most, days without anything included."""

    as_of: Instant | None = Field(description=AS_OF)
    items: list[DayFigures]
    next_cursor: str | None = Field(default=None, description="Always null: one page.")
