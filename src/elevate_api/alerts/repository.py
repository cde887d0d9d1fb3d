from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_

from elevate_api.alerts.evaluate import Status
from elevate_api.alerts.models import Alert, AlertSilence
from elevate_api.kit.repository import Repository


class AlertRepository(Repository):
    async def page(self, status: Status | None, after: tuple[str] | None, limit: int) -> list[Alert]:
        """By rule."""
        statement = select(Alert).order_by(Alert.rule).limit(limit)
        if status is not None:
            statement = statement.where(Alert.status == status)
        if after is not None:
            statement = statement.where(Alert.rule > after[0])
        return list((await self._session.execute(statement)).scalars())

    async def lock(self, alert_id: UUID) -> Alert | None:
        return await self._session.get(Alert, alert_id, with_for_update=True)

    async def lock_rule(self, rule: str) -> Alert | None:
        statement = select(Alert).where(Alert.rule == rule).with_for_update()
        return (await self._session.execute(statement)).scalar_one_or_none()


class SilenceRepository(Repository):
    async def page(self, now: datetime, after: tuple[datetime, UUID] | None, limit: int) -> list[AlertSilence]:
        """Those that have not ended, the next to end first."""
        statement = select(AlertSilence).where(AlertSilence.ends_at > now)
        if after is not None:
            statement = statement.where(tuple_(AlertSilence.ends_at, AlertSilence.id) > tuple_(*after))
        statement = statement.order_by(AlertSilence.ends_at, AlertSilence.id).limit(limit)
        return list((await self._session.execute(statement)).scalars())

    async def add(self, silence: AlertSilence) -> AlertSilence:
        self._session.add(silence)
        await self._session.flush()
        await self._session.refresh(silence)
        return silence

    async def lock(self, silence_id: UUID) -> AlertSilence | None:
        return await self._session.get(AlertSilence, silence_id, with_for_update=True)
