from pydantic import Field

from elevate_api.activities.codes import ActivityCode
from elevate_api.kit.schemas import Schema


class ActivityOut(Schema):
    """A stage of LEAPS."""

    code: ActivityCode
    name: str
    description: str
    default_points: int
    points_cap: int | None = Field(description="Most points that one person is awarded in this stage; null for no cap.")
    per_peer_points: int
    per_student_points: int
