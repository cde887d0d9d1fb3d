"""The badge rule engine: criteria are data (`badges.criteria`), facts come from the ledger and the approvals.

{"type": "points", "activity": "LEARN", "atLeast": 20}      net points of a stage, or of all without "activity"
{"type": "approvals", "activity": "EXPLORE", "atLeast": 1}  submissions APPROVED now
{"type": "any" | "all", "of": [criteria, ...]}
{}                                                          never by itself: only people award it
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from elevate_api.kit.schemas import Schema
from elevate_api.points.rules import ActivityCode


@dataclass(frozen=True, slots=True)
class Facts:
    """What a person has: net points and APPROVED submissions, by stage code."""

    points: Mapping[str, int]
    approvals: Mapping[str, int]


class PointsCriteria(Schema):
    type: Literal["points"]
    activity: ActivityCode | None = None
    at_least: int = Field(ge=1)

    def met(self, facts: Facts) -> bool:
        have = sum(facts.points.values()) if self.activity is None else facts.points.get(self.activity, 0)
        return have >= self.at_least


class ApprovalsCriteria(Schema):
    type: Literal["approvals"]
    activity: ActivityCode | None = None
    at_least: int = Field(default=1, ge=1)

    def met(self, facts: Facts) -> bool:
        have = sum(facts.approvals.values()) if self.activity is None else facts.approvals.get(self.activity, 0)
        return have >= self.at_least


class GroupCriteria(Schema):
    type: Literal["any", "all"]
    of: list["Criteria"] = Field(min_length=1, max_length=20)

    def met(self, facts: Facts) -> bool:
        return (any if self.type == "any" else all)(part.met(facts) for part in self.of)


Criteria = Annotated[PointsCriteria | ApprovalsCriteria | GroupCriteria, Field(discriminator="type")]
_CRITERIA: TypeAdapter[PointsCriteria | ApprovalsCriteria | GroupCriteria] = TypeAdapter(Criteria)


MAX_DEPTH = 5


class BadCriteria(ValueError):
    """The JSON is no criteria of the forms above."""


def check(criteria: Mapping[str, Any]) -> dict[str, Any]:
    """`criteria` as they are kept, canonical. Raises BadCriteria (a ValueError, so schemas can use it)."""
    if not criteria:
        return {}
    if _depth(criteria) > MAX_DEPTH:
        raise BadCriteria(f"criteria are nested at most {MAX_DEPTH} deep")
    try:
        parsed = _CRITERIA.validate_python(dict(criteria))
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc'][1:])) or 'criteria'}: {fault['msg']}" for fault in error.errors()]
        raise BadCriteria("; ".join(faults[:5])) from error
    return parsed.model_dump(mode="json", by_alias=True, exclude_none=True)


def _depth(criteria: Any) -> int:
    """How deep groups are nested; told without recursion, as it comes from outside."""
    depth, level = 0, [criteria]
    while level and depth <= MAX_DEPTH:
        depth += 1
        parts = [part.get("of") for part in level if isinstance(part, Mapping)]
        level = [part for group in parts if isinstance(group, list) for part in group]
    return depth


def is_met(criteria: Mapping[str, Any], facts: Facts) -> bool:
    """Whether `facts` meet the criteria. Raises BadCriteria for JSON of no known form."""
    if not criteria:
        return False
    try:
        return _CRITERIA.validate_python(dict(criteria)).met(facts)
    except ValidationError as error:
        raise BadCriteria(str(error)) from error
