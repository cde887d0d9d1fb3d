from collections.abc import Sequence

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from elevate_api.badges.criteria import Facts
from elevate_api.badges.models import Badge, EarnedBadge
from elevate_api.kit.repository import Repository

_FACTS = text("""
    SELECT a.code,
           coalesce((SELECT sum(delta_points) FROM points_ledger l
                     WHERE l.user_id = :user_id AND l.activity_code = a.code), 0)::bigint AS points,
           (SELECT count(*) FROM submissions s
            WHERE s.user_id = :user_id AND s.activity_code = a.code AND s.status = 'APPROVED') AS approvals
    FROM activities a
""")


class BadgeRepository(Repository):
    async def all(self) -> list[Badge]:
        return list((await self._session.execute(select(Badge).order_by(Badge.created_at, Badge.code))).scalars())

    async def get(self, code: str) -> Badge | None:
        return await self._session.get(Badge, code)

    async def lock(self, code: str) -> Badge | None:
        """Read afresh, with changes by others waiting."""
        return await self._session.get(Badge, code, with_for_update=True, populate_existing=True)

    async def add(self, badge: Badge) -> Badge:
        self._session.add(badge)
        await self._session.flush()
        await self._session.refresh(badge)
        return badge

    async def earned(self, user_id: str, code: str) -> EarnedBadge | None:
        return await self._session.get(EarnedBadge, (user_id, code))

    async def counts(self) -> dict[str, int]:
        """How many people have each badge; what nobody has is left out."""
        statement = select(EarnedBadge.badge_code, func.count().label("people")).group_by(EarnedBadge.badge_code)
        return {row.badge_code: row.people for row in await self._session.execute(statement)}

    async def not_yet_earned(self, user_id: str) -> list[Badge]:
        """Active badges with criteria that the person does not have."""
        earned = select(EarnedBadge.badge_code).where(EarnedBadge.user_id == user_id)
        statement = select(Badge).where(Badge.active, Badge.criteria != {}, Badge.code.not_in(earned))
        return list((await self._session.execute(statement.order_by(Badge.code))).scalars())

    async def facts(self, user_id: str) -> Facts:
        rows = (await self._session.execute(_FACTS, {"user_id": user_id})).all()
        return Facts({row.code: row.points for row in rows}, {row.code: row.approvals for row in rows})

    async def grant(self, user_id: str, codes: Sequence[str], awarded_by: str | None = None) -> list[str]:
        """Give the badges that the person does not have yet; answers those given, sorted."""
        if not codes:
            return []
        rows = [{"user_id": user_id, "badge_code": code, "awarded_by": awarded_by} for code in codes]
        statement = insert(EarnedBadge).values(rows).on_conflict_do_nothing().returning(EarnedBadge.badge_code)
        return sorted((await self._session.execute(statement)).scalars())
