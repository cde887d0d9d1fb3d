from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field, StrictBool
from pydantic.config import JsonDict

from elevate_api.badges.criteria import check
from elevate_api.badges.models import Badge
from elevate_api.kit.schemas import HttpsUrl, Instant, Line, Schema, Text

CRITERIA = "Read by the rule engine; an empty object means that only people award it."
_EXAMPLE: JsonDict = {"type": "approvals", "activity": "EXPLORE", "atLeast": 5}


class BadgeOut(Schema):
    code: str
    name: str
    description: str
    icon_url: str | None


CriteriaIn = Annotated[
    dict[str, Any], AfterValidator(check), Field(description=CRITERIA, examples=[_EXAMPLE], max_length=4)
]
Description = Annotated[Text, Field(max_length=1000)]


class NewBadge(Schema):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"code": "EXPLORER", "name": "Explorer", "criteria": _EXAMPLE}]}
    )

    code: Annotated[str, Field(pattern="^[A-Z][A-Z0-9_]{1,49}$", min_length=2, max_length=50, examples=["EXPLORER"])]
    name: Line
    description: Description = ""
    icon_url: HttpsUrl | None = None
    criteria: CriteriaIn = Field(default_factory=dict)
    active: StrictBool = True


class BadgeUpdate(Schema):
    """What is left out stays; null clears the icon. A code never changes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Explorer", "active": False}]})

    name: Line = Field(default_factory=str)  # a factory, so that the schema shows no default: absent means absent
    description: Description = Field(default_factory=str)
    icon_url: HttpsUrl | None = None
    criteria: CriteriaIn = Field(default_factory=dict)
    active: StrictBool = Field(default_factory=bool)


class BadgeAdminOut(BadgeOut):
    """A badge as administrators see it."""

    criteria: dict[str, Any] = Field(description=CRITERIA, examples=[_EXAMPLE])
    active: bool = Field(description="False for a badge that nobody gets any more.")
    earned: int = Field(description="People who have it.")
    created_at: Instant

    @classmethod
    def of(cls, badge: Badge, earned: int) -> Self:
        fields = {name: getattr(badge, name) for name in cls.model_fields if name != "earned"}
        return cls(earned=earned, **fields)


class AwardRequest(Schema):
    model_config = ConfigDict(json_schema_extra={"examples": [{"userId": "user_2abc123"}]})

    user_id: Annotated[Text, Field(min_length=1, max_length=255, examples=["user_2abc123"])]


class AwardOut(Schema):
    user_id: str
    badge_code: str
    earned_at: Instant
    awarded_by: str | None = Field(description="Who awarded it; null where its criteria did.")
