"""Reading and writing people."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from elevate_api.kit.repository import Repository
from elevate_api.users.identity import Identity
from elevate_api.users.models import User

TRIGRAM = 3


@dataclass(frozen=True, slots=True)
class UserFilter:
    """What an administrator looks for. `search` is any part of name, handle or e-mail, in any case.

    One or two characters are looked for at the beginning of a word of the name, of the handle and of the e-mail only.
    """

    search: str | None = None
    role: str | None = None
    cohort: str | None = None
    school: str | None = None


class UserRepository(Repository):
    async def get(self, user_id: str) -> User | None:
        return await self._session.get(User, user_id)

    async def lock(self, *user_ids: str) -> dict[str, User]:
        """Lock these people in the order of their ids and read them anew; those who do not exist are left out."""
        statement = (
            select(User)
            .where(User.id.in_(sorted(user_ids)))
            .order_by(User.id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
        return {user.id: user for user in await self._session.scalars(statement)}

    async def lock_email(self, email: str) -> None:
        """Whoever decides whom an address belongs to takes turns; taken before any person is locked."""
        await self._session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended('elevate:email:' || lower(:email), 0))"),
            {"email": email},
        )

    async def lock_contact(self, contact_id: str) -> None:
        """Whoever decides whose a Kajabi contact is takes turns; after addresses, before any person is locked."""
        await self._session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended('elevate:contact:' || :contact, 0))"),
            {"contact": contact_id},
        )

    async def holders(self, email: str, *, but: str) -> list[str]:
        """Ids of the others who have this address verified; at most one, by users_verified_email_key."""
        statement = select(User.id).where(
            func.lower(User.email) == func.lower(email),
            User.email_verified,
            User.erased_at.is_(None),
            User.id != but,
        )
        return list(await self._session.scalars(statement))

    async def by_email(self, email: str) -> Sequence[User]:
        """Everybody not erased with this address, verified or not."""
        statement = select(User).where(func.lower(User.email) == func.lower(email), User.erased_at.is_(None))
        return (await self._session.scalars(statement.order_by(User.id))).all()

    async def first_free(self, handles: Sequence[str]) -> str | None:
        taken = set(await self._session.scalars(select(User.handle).where(User.handle.in_(handles))))
        return next((handle for handle in handles if handle not in taken), None)

    async def insert(self, identity: Identity, handle: str) -> User | None:
        """The new row; None when the id, the handle or the verified address is somebody's already."""
        statement = (
            insert(User)
            .values(
                id=identity.id,
                handle=handle,
                name=identity.name or "",
                email=identity.email,
                email_verified=identity.email_verified,
                avatar_url=identity.avatar_url,
            )
            .on_conflict_do_nothing()
            .returning(User)
        )
        return await self._session.scalar(statement)

    async def page(self, wanted: UserFilter, after: tuple[datetime, str] | None, limit: int) -> Sequence[User]:
        """The newest first, from after that (created_at, id)."""
        if wanted.search:
            # What is rare wants the trigrams and what is common the order: only the pattern itself tells which.
            await self._session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
        statement = select(User).where(*_conditions(wanted))
        if after is not None:
            statement = statement.where(tuple_(User.created_at, User.id) < after)
        statement = statement.order_by(User.created_at.desc(), User.id.desc()).limit(limit)
        return (await self._session.scalars(statement)).all()


def _conditions(wanted: UserFilter) -> Collection[ColumnElement[bool]]:
    equal = ((User.role, wanted.role), (User.cohort, wanted.cohort), (User.school, wanted.school))
    conditions: list[ColumnElement[bool]] = [column == value for column, value in equal if value is not None]
    if wanted.search:
        # A trigram index needs three characters; shorter ones are looked for where a word begins, which it also finds.
        beginning = " " if len(wanted.search) < TRIGRAM else ""
        text_of = func.user_search_text(User.name, User.handle, User.email)
        conditions.append(text_of.contains(beginning + wanted.search.lower(), autoescape=True))
    return conditions
