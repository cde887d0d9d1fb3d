"""The inbox in the database."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import LargeBinary, Text

from elevate_api.kajabi.models import KajabiEvent
from elevate_api.kajabi.payload import Delivery
from elevate_api.kajabi.rules import Standing, Status
from elevate_api.kit.repository import Repository


@dataclass(frozen=True, slots=True)
class Work:
    """A stored event, as far as processing needs it."""

    id: UUID
    status: Status
    body: bytes = field(repr=False)
    created_at: datetime
    error: str | None = None
    user_id: str | None = None
    points_awarded: int | None = None
    duplicate_of: UUID | None = None
    found: Delivery | None = field(default=None, repr=False)
    """What the body says, where it has just been read."""

    @classmethod
    def of(cls, row: KajabiEvent) -> Self:
        return cls(
            id=row.id,
            status=Status(row.status),
            body=row.body,
            created_at=row.created_at,
            error=row.error,
            user_id=row.user_id,
            points_awarded=row.points_awarded,
            duplicate_of=row.duplicate_of,
        )


_STANDING = text("SELECT * FROM kajabi_standing(:contact, :address, :tag, :chosen, :locking)")
_FAIL = text("""
    UPDATE kajabi_events SET
      status = 'FAILED', error = :error, attempts = attempts + 1,
      next_attempt_at = clock_timestamp() + make_interval(secs => :seconds)
    WHERE id = :id AND status NOT IN ('PROCESSED', 'DUPLICATE')
""")
_WAITING_FOR = text("""
    SELECT e.id FROM kajabi_events e JOIN users u ON e.contact_id = u.kajabi_contact_id
    WHERE u.id = :id AND u.erased_at IS NULL AND e.status = 'UNMATCHED'
    UNION
    SELECT e.id FROM kajabi_events e JOIN users u ON e.email = lower(u.email)
    WHERE u.id = :id AND u.email_verified AND u.erased_at IS NULL AND e.status = 'UNMATCHED'
      AND NOT EXISTS (SELECT FROM users o WHERE o.kajabi_contact_id = e.contact_id AND o.id <> u.id)
""")
_LOCK_CONTACTS = text("""
    SELECT pg_advisory_xact_lock(hashtextextended('elevate:contact:' || contact_id, 0)) FROM (
      SELECT DISTINCT contact_id FROM kajabi_events
      WHERE email = lower(:email) AND status = 'UNMATCHED' AND contact_id IS NOT NULL ORDER BY contact_id
    ) contacts
""")
_KNOWN = text("""
    SELECT DISTINCT contact_id FROM kajabi_events
    WHERE contact_id = ANY(:contacts) AND tag = :tag AND event_type NOT IN ('tag_removed', 'tag.removed')
      AND error IS DISTINCT FROM 'not a learn tag'
""").bindparams(bindparam("contacts", type_=ARRAY(Text)))
_KNOWN_BODIES = text("""
    SELECT body_sha256 FROM kajabi_events WHERE body_sha256 = ANY(:digests) AND duplicate_of IS NULL
    UNION
    SELECT body_sha256 FROM kajabi_events WHERE body_sha256 = ANY(:digests) AND duplicate_of IS NOT NULL
""").bindparams(bindparam("digests", type_=ARRAY(LargeBinary)))


class EventRepository(Repository):
    async def get(self, event_id: UUID) -> KajabiEvent | None:
        """The event as it is now, whatever this session has seen of it."""
        return await self._session.get(KajabiEvent, event_id, populate_existing=True)

    async def lock(self, event_ids: Sequence[UUID]) -> list[KajabiEvent]:
        """These events, the oldest first. Called under the lock of their person."""
        statement = (
            select(KajabiEvent)
            .where(KajabiEvent.id.in_(event_ids))
            .order_by(KajabiEvent.created_at, KajabiEvent.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return list(await self._session.scalars(statement))

    async def standing(
        self, contact: str | None, email: str | None, tag: str, *, chosen: str | None = None, locking: bool = True
    ) -> Standing | None:
        """Whom a grant would go to, None for nobody. `locking` takes the locks of address, contact and person."""
        parameters = {"contact": contact, "address": email, "tag": tag, "chosen": chosen, "locking": locking}
        row = (await self._session.execute(_STANDING, parameters)).one_or_none()
        return None if row is None else Standing(**row._asdict())

    async def fail(self, event_id: UUID, error: str, pause: timedelta | None) -> None:
        """Count an attempt that failed; `pause` None parks the event. What is final stays as it is."""
        seconds = None if pause is None else pause.total_seconds()
        await self._session.execute(_FAIL, {"id": event_id, "error": error, "seconds": seconds})

    async def waiting_for(self, user_id: str) -> list[UUID]:
        """Unmatched events that this person's contact or verified e-mail settles."""
        return list(await self._session.scalars(_WAITING_FOR, {"id": user_id}))

    async def lock_waiting_contacts(self, email: str) -> None:
        """Take the locks of the contacts that whoever gets this address may be bound to."""
        await self._session.execute(_LOCK_CONTACTS, {"email": email})

    async def known_contacts(self, contacts: Sequence[str], tag: str) -> set[str]:
        """Those of the contacts whose completion is in the inbox, whatever it came to."""
        return set(await self._session.scalars(_KNOWN, {"contacts": list(contacts), "tag": tag}))

    async def known_bodies(self, digests: Sequence[bytes]) -> set[bytes]:
        """Those of the SHA-256 digests whose bytes were delivered before."""
        return set(await self._session.scalars(_KNOWN_BODIES, {"digests": list(digests)}))
