"""What other packages want to do in the transaction that creates a person or learns who somebody is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.users.models import User

Hook = Callable[[AsyncSession, User], Awaitable[None]]
AddressHook = Callable[[AsyncSession, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class UserHooks:
    """`app.py` fills the lists. A hook runs after the row is flushed; what it raises ends the transaction."""

    on_address_claimed: list[AddressHook] = field(default_factory=list)
    """Called when a verified e-mail is about to be somebody's, under its lock and before any person is locked."""
    on_created: list[Hook] = field(default_factory=list)
    on_identity_changed: list[Hook] = field(default_factory=list)
    """Called when the e-mail, its verification or the Kajabi contact of a known person changed."""

    async def address_claimed(self, session: AsyncSession, email: str) -> None:
        for hook in self.on_address_claimed:
            await hook(session, email)

    async def created(self, session: AsyncSession, user: User) -> None:
        for hook in self.on_created:
            await hook(session, user)

    async def identity_changed(self, session: AsyncSession, user: User) -> None:
        for hook in self.on_identity_changed:
            await hook(session, user)
