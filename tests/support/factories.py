"""Rows for tests, written as the owner under the operator's switch, so that they may have a past."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from tests.support.payloads import payload_for

from elevate_api.kit.db import Database
from elevate_api.points.models import LedgerEntry
from elevate_api.submissions.models import Submission
from elevate_api.users.models import User

Row = TypeVar("Row", User, Submission, LedgerEntry)
DECIDED = ("APPROVED", "REJECTED", "REVOKED")


@asynccontextmanager
async def restoring(owner: Database) -> AsyncIterator[AsyncSession]:
    """The owner's transaction in which rows go in as they were: no workflow, no quota, no clock."""
    async with owner.session() as session:
        await session.execute(text("SET LOCAL elevate.restore = 'on'"))
        yield session


class Factory:
    """Committed rows; what is returned is detached and complete (server defaults included)."""

    def __init__(self, owner: Database) -> None:
        self._owner = owner
        self._numbers = count(1)
        self._reviewer: str | None = None

    async def user(self, role: str = "PARTICIPANT", **fields: Any) -> User:
        """A person. Name, handle and a verified e-mail are made up where not given."""
        number = next(self._numbers)
        made_up = {
            "id": f"user_{number}",
            "handle": f"teacher-{number}",
            "name": f"Teacher {number}",
            "email": f"teacher{number}@school.test",
            "email_verified": True,
        }
        return await self._add(User(**{**made_up, "role": role, **fields}))

    async def submission(
        self, user: User | str | None = None, activity: str = "LEARN", status: str = "PENDING", **fields: Any
    ) -> Submission:
        """A submission in any state. `payload` entries are merged over a valid payload of the stage.

        A decided one gets a reviewer, `reviewed_at` and, when approved, `points_awarded` 0 unless given; no ledger row.
        """
        owner_id = (await self.user()).id if user is None else _id(user)
        fields["payload"] = payload_for(activity, **fields.get("payload", {}))
        if status in DECIDED:
            fields = {**await self._decision(status), **fields}
        return await self._add(Submission(user_id=owner_id, activity_code=activity, status=status, **fields))

    async def entry(
        self, user: User | str, points: int, activity: str = "EXPLORE", source: str = "FORM", **fields: Any
    ) -> LedgerEntry:
        """A ledger row, without a cause unless `external_event_id` says one."""
        row = LedgerEntry(user_id=_id(user), activity_code=activity, source=source, delta_points=points, **fields)
        return await self._add(row)

    async def _decision(self, status: str) -> dict[str, Any]:
        if self._reviewer is None:
            self._reviewer = (await self.user("REVIEWER")).id
        now = datetime.now(UTC)
        decision: dict[str, Any] = {"reviewer_id": self._reviewer, "reviewed_at": now}
        if status == "REJECTED":
            return {**decision, "review_note": "The photo shows another class."}
        decision["points_awarded"] = 0
        if status == "REVOKED":
            decision |= {"revoked_by": self._reviewer, "revoked_at": now, "revoke_reason": "Sent in twice."}
        return decision

    async def _add(self, row: Row) -> Row:
        async with restoring(self._owner) as session:
            session.add(row)
            await session.flush()
            await session.refresh(row)
        return row


def _id(user: User | str) -> str:
    return user if isinstance(user, str) else user.id
