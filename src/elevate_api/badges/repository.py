from collections.abc import Sequence

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from elevate_api.badges.models import Badge, EarnedBadge
from elevate_api.kit.repository import Repository

_GRANT_EARNED = text("SELECT badge FROM grant_badges(ARRAY[:user_id], :request) ORDER BY badge")


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

    async def grant_earned(self, user_id: str, request_id: str | None) -> list[str]:
        """Give every badge whose criteria the person, who is locked, meets now, with its audit row; sorted."""
        # What the session has written so far is what earns them.
        await self._session.flush()
        parameters = {"user_id": user_id, "request": request_id}
        return list((await self._session.execute(_GRANT_EARNED, parameters)).scalars())

    async def grant(self, user_id: str, codes: Sequence[str], awarded_by: str | None = None) -> list[str]:
        """Give the badges that the person does not have yet; answers those given, sorted."""
        if not codes:
            return []
        rows = [{"user_id": user_id, "badge_code": code, "awarded_by": awarded_by} for code in codes]
        statement = insert(EarnedBadge).values(rows).on_conflict_do_nothing().returning(EarnedBadge.badge_code)
        return sorted((await self._session.execute(statement)).scalars())
