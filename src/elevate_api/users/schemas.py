from typing import Annotated

from pydantic import ConfigDict, Field, StrictBool

from elevate_api.auth.roles import Role
from elevate_api.kit.schemas import Body, Instant, Line, Schema, Text
from elevate_api.users.handles import PATTERN

Handle = Annotated[str, Field(pattern=PATTERN, min_length=3, max_length=30, examples=["siti-nurhaliza"])]
ContactId = Annotated[Text, Field(min_length=1, max_length=100)]


class Me(Schema):
    """A person as they see themselves."""

    id: str = Field(description="Clerk's id.", examples=["user_2abc123"])
    handle: str
    name: str = Field(description="Empty until somebody says it.")
    email: str | None
    role: Role
    avatar_url: str | None
    region: str | None
    school: str | None
    cohort: str | None
    show_on_leaderboard: bool
    created_at: Instant


class MeUpdate(Body):
    """What is left out stays; null clears region, school or cohort. The other three cannot be empty."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Sari Dewi", "school": "SMAN 3 Bandung", "showOnLeaderboard": True}]}
    )

    handle: Handle = Field(default_factory=str)  # a factory, so that the schema shows no default: absent means absent
    name: Line = Field(default_factory=str)
    region: Line | None = None
    school: Line | None = None
    cohort: Line | None = None
    show_on_leaderboard: StrictBool = Field(default_factory=bool)


class AdminUserOut(Me):
    """A person as administrators see them."""

    email_verified: bool
    kajabi_contact_id: str | None
    suspended_at: Instant | None
    erase_at: Instant | None = Field(description="When an erasure that was asked for takes place.")
    erased_at: Instant | None
    updated_at: Instant


class AdminUserUpdate(Body):
    """What is left out stays; null clears all but the role."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "REVIEWER", "cohort": "2025A"}]})

    role: Role = Field(default_factory=lambda: Role.PARTICIPANT)
    cohort: Line | None = None
    school: Line | None = None
    kajabi_contact_id: ContactId | None = None
