"""The ledger. It cannot express an update or a removal: there is no such method, and a trigger refuses both."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from elevate_api.kit.metrics import after_commit
from elevate_api.kit.repository import Repository
from elevate_api.points import metrics
from elevate_api.points.events import ADJUSTMENT_PREFIX
from elevate_api.points.models import LedgerEntry, PointAdjustment

Source = Literal["MANUAL", "WEBHOOK", "FORM"]


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A row to append. `delta_points` is -1000..1000 and not 0; `event_time` None stands for now."""

    user_id: str
    activity_code: str
    source: Source
    delta_points: int
    external_event_id: str
    event_time: datetime | None = None


class LedgerRepository(Repository):
    async def append(self, entry: NewEntry) -> bool:
        """Append unless a row of this cause is there already; tells whether it was appended."""
        values = {
            "user_id": entry.user_id,
            "activity_code": entry.activity_code,
            "source": entry.source,
            "delta_points": entry.delta_points,
            "external_event_id": entry.external_event_id,
        }
        if entry.event_time is not None:
            values["event_time"] = entry.event_time
        statement = (
            insert(LedgerEntry)
            .values(values)
            .on_conflict_do_nothing(index_elements=[LedgerEntry.external_event_id])
            .returning(LedgerEntry.id)
        )
        appended = (await self._session.execute(statement)).scalar() is not None
        if appended:
            after_commit(self._session, partial(metrics.appended, entry.source, entry.delta_points))
        return appended

    async def awarded(self, user_id: str, activity_code: str) -> int:
        """Net points that count against the stage's cap: everything but administrators' adjustments."""
        counts = LedgerEntry.external_event_id.is_(None) | ~LedgerEntry.external_event_id.startswith(ADJUSTMENT_PREFIX)
        statement = select(func.coalesce(func.sum(LedgerEntry.delta_points), 0)).where(
            LedgerEntry.user_id == user_id, LedgerEntry.activity_code == activity_code, counts
        )
        return int((await self._session.execute(statement)).scalar_one())

    async def operator_award(self, user_id: str, activity_code: str, near: datetime | None) -> int:
        """Points of the row that an operator wrote by hand for an approval (the manual's SQL gives it no cause).

        0 when there is none; of several, the one recorded nearest to the decision.
        """
        distance = func.abs(func.extract("epoch", LedgerEntry.created_at - (near or func.now())))
        statement = (
            select(LedgerEntry.delta_points)
            .where(
                LedgerEntry.user_id == user_id,
                LedgerEntry.activity_code == activity_code,
                LedgerEntry.external_event_id.is_(None),
                LedgerEntry.delta_points > 0,
            )
            .order_by(distance)
            .limit(1)
        )
        return (await self._session.execute(statement)).scalar() or 0

    async def entries(self, user_id: str, limit: int, after: tuple[datetime, UUID] | None) -> list[LedgerEntry]:
        """Newest first; `after` is (created_at, id) of the last one seen."""
        statement = select(LedgerEntry).where(LedgerEntry.user_id == user_id)
        if after is not None:
            statement = statement.where(tuple_(LedgerEntry.created_at, LedgerEntry.id) < tuple_(*after))
        statement = statement.order_by(LedgerEntry.created_at.desc(), LedgerEntry.id.desc()).limit(limit)
        return list((await self._session.execute(statement)).scalars())

    async def add_adjustment(self, adjustment: PointAdjustment) -> PointAdjustment:
        self._session.add(adjustment)
        await self._session.flush()
        return adjustment
