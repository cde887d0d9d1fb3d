"""Making and granting badges. Sticky: nothing here takes one away."""

from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.audit.metrics import ACTIONS
from elevate_api.audit.service import record
from elevate_api.badges.errors import BadgeExists
from elevate_api.badges.models import Badge, EarnedBadge
from elevate_api.badges.repository import BadgeRepository
from elevate_api.badges.schemas import BadgeUpdate, NewBadge
from elevate_api.kit.context import current_request_id
from elevate_api.kit.metrics import after_commit
from elevate_api.kit.problems import NotFound
from elevate_api.users.models import User
from elevate_api.users.service import lock_person


async def grant_earned(session: AsyncSession, user_id: str) -> list[str]:
    """Grant every badge whose criteria the person meets now, in the transaction of the row that earns it.

    Call it under the person's lock. Answers the codes granted by this call, sorted.
    """
    granted = await BadgeRepository(session).grant_earned(user_id, current_request_id())
    for _ in granted:
        after_commit(session, ACTIONS.labels("badge.grant").inc)
    return granted


async def create(session: AsyncSession, admin_id: str, new: NewBadge) -> Badge:
    """Add a badge. Raises BadgeExists."""
    badges = BadgeRepository(session)
    if await badges.get(new.code) is not None:
        raise BadgeExists
    badge = await badges.add(Badge(**new.model_dump(by_alias=False)))
    _audit(session, admin_id, "badge.create", badge, sorted(new.model_dump(by_alias=True)))
    return badge


async def update(session: AsyncSession, admin_id: str, code: str, change: BadgeUpdate) -> Badge:
    """Write what is given. Raises NotFound."""
    badge = await BadgeRepository(session).lock(code)
    if badge is None:
        raise NotFound
    changes = change.model_dump(by_alias=False, exclude_unset=True)
    changed = {name: value for name, value in changes.items() if getattr(badge, name) != value}
    for name, value in changed.items():
        setattr(badge, name, value)
    if changed:
        await session.flush()
        _audit(session, admin_id, "badge.update", badge, sorted(to_camel(name) for name in changed))
    return badge


async def award(session: AsyncSession, admin_id: str, code: str, user_id: str) -> tuple[EarnedBadge, bool]:
    """Give a badge by hand; answers the award and whether it is new. Raises NotFound (badge, person, or erased)."""
    await lock_person(session, user_id)
    person = await session.get(User, user_id, populate_existing=True)
    badges = BadgeRepository(session)
    if person is None or person.erased_at is not None or await badges.get(code) is None:
        raise NotFound
    granted = await badges.grant(user_id, [code], awarded_by=admin_id)
    if granted:
        record(
            session,
            actor_id=admin_id,
            action="badge.award",
            target_type="user",
            target_id=user_id,
            details={"badge": code},
        )
    earned = await badges.earned(user_id, code)
    if earned is None:
        raise LookupError(f"badge {code} of {user_id} is gone")  # nothing takes one away
    return earned, bool(granted)


def _audit(session: AsyncSession, admin_id: str, action: str, badge: Badge, fields: list[str]) -> None:
    record(
        session,
        actor_id=admin_id,
        action=action,
        target_type="badge",
        target_id=badge.code,
        details={"fields": fields},
    )
