"""Do people have the badges that their points and approvals earn? Criteria become SQL."""

from collections.abc import AsyncIterator

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.badges.criteria import ApprovalsCriteria, Criteria, GroupCriteria, PointsCriteria
from elevate_api.badges.models import Badge
from elevate_api.badges.repository import BadgeRepository
from elevate_api.ops.ledger_check.ledger import Difference
from elevate_api.points.rules import ActivityCode

_CRITERIA: TypeAdapter[PointsCriteria | ApprovalsCriteria | GroupCriteria] = TypeAdapter(Criteria)

_MARGIN = "5 minutes"
"""A change is recorded when its transaction writes it and seen when that commits; whatever was awarded in between knows
nothing of it. Far longer than a transaction may take (TRANSACTION_TIMEOUT), and than two clocks differ."""

_FACTS = """
WITH points AS (
  SELECT user_id, {points}, max(created_at) FILTER (WHERE source <> 'FORM' OR delta_points > 0) AS last_at
  FROM points_ledger GROUP BY user_id
), approvals AS (
  SELECT user_id, {approvals}, max(reviewed_at) AS last_at
  FROM submissions WHERE status IN ('APPROVED', 'REVOKED') GROUP BY user_id
), asking AS MATERIALIZED (
  SELECT code, greatest(created_at, (
    SELECT max(l.created_at) + interval '{margin}' FROM audit_log l
    WHERE l.target_type = 'badge' AND l.target_id = code AND (l.action = 'badge.create'
      OR l.action = 'badge.update' AND l.details -> 'fields' ?| ARRAY['active', 'criteria']))) AS since
  FROM badges WHERE active
)
"""
_MISSING = """
SELECT u.id AS user_id, b.code
FROM users u LEFT JOIN points p ON p.user_id = u.id LEFT JOIN approvals a ON a.user_id = u.id
JOIN asking b ON CASE b.code {met} ELSE false END
WHERE u.erased_at IS NULL AND greatest(p.last_at, a.last_at) >= b.since
  AND NOT EXISTS (SELECT FROM earned_badges e WHERE e.user_id = u.id AND e.badge_code = b.code)
"""
# Sticky badges outlive what earned them, so only what can never have been earned is wrong; an audit row of the grant
# tells of criteria that were changed later.
_UNEARNED = """
SELECT e.user_id, e.badge_code AS code
FROM earned_badges e LEFT JOIN points p ON p.user_id = e.user_id LEFT JOIN approvals a ON a.user_id = e.user_id
WHERE e.awarded_by IS NULL AND NOT CASE e.badge_code {met} ELSE true END
  AND NOT EXISTS (SELECT FROM audit_log l WHERE l.target_type = 'user' AND l.target_id = e.user_id
                  AND l.action = 'badge.grant' AND l.details ->> 'badge' = e.badge_code)
"""


async def missing_badges_sql(session: AsyncSession) -> str | None:
    """A SELECT of user_id and code; None while no badge has criteria.

    Somebody is expected to have a badge when something was awarded to them after the badge came to be, was brought back
    or got other criteria: badges are granted with the next award, not backwards, and a revocation (source FORM, below
    0) awards nothing. An award shortly after a change may have been made without seeing it (`_MARGIN`).
    """
    met = _cases(await BadgeRepository(session).all(), now=True)
    return None if met is None else _facts() + _MISSING.format(met=met)


async def badge_differences(session: AsyncSession) -> AsyncIterator[Difference]:
    badges = await BadgeRepository(session).all()
    for kind, template, now in (("missing", _MISSING, True), ("unexplained", _UNEARNED, False)):
        met = _cases(badges, now=now)
        if met is None:
            continue
        async for row in await session.stream(text(_facts() + template.format(met=met))):
            yield Difference("badges", kind, row.code, row.user_id)


def _facts() -> str:
    points = ["sum(delta_points) AS now_all", "sum(greatest(delta_points, 0)) AS ever_all"]
    approvals = ["count(*) FILTER (WHERE status = 'APPROVED') AS now_all", "count(*) AS ever_all"]
    for code in ActivityCode:
        only = f"FILTER (WHERE activity_code = '{code}')"
        points += [f"sum(delta_points) {only} AS now_{code}", f"sum(greatest(delta_points, 0)) {only} AS ever_{code}"]
        stands = f"FILTER (WHERE activity_code = '{code}' AND status = 'APPROVED')"
        approvals += [f"count(*) {stands} AS now_{code}", f"count(*) {only} AS ever_{code}"]
    return _FACTS.format(points=", ".join(points), approvals=", ".join(approvals), margin=_MARGIN)


def _cases(badges: list[Badge], *, now: bool) -> str | None:
    """`WHEN 'CODE' THEN condition` for every badge with criteria; the database keeps the codes plain."""
    cases = []
    for badge in badges:
        try:
            criteria = _CRITERIA.validate_python(badge.criteria) if badge.criteria else None
        except ValidationError:
            continue  # reported where it is granted
        if criteria is not None:
            cases.append(f"WHEN '{badge.code}' THEN {_condition(criteria, 'now' if now else 'ever')}")
    return " ".join(cases) or None


def _condition(criteria: PointsCriteria | ApprovalsCriteria | GroupCriteria, when: str) -> str:
    if isinstance(criteria, GroupCriteria):
        word = " OR " if criteria.type == "any" else " AND "
        return f"({word.join(_condition(part, when) for part in criteria.of)})"
    source = "p" if isinstance(criteria, PointsCriteria) else "a"
    return f"coalesce({source}.{when}_{criteria.activity or 'all'}, 0) >= {int(criteria.at_least)}"
