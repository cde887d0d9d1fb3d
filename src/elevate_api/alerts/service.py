"""What people do about alerts: acknowledge, silence. Each is audited."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.alerts.errors import AlertNotFiring
from elevate_api.alerts.evaluate import Status
from elevate_api.alerts.models import Alert, AlertSilence
from elevate_api.alerts.repository import AlertRepository, SilenceRepository
from elevate_api.alerts.schemas import NewSilence
from elevate_api.audit.service import record
from elevate_api.kit.problems import NotFound, ValidationFailed

CLI = "cli"
"""Stands for whoever has the command line, where a user id would."""


async def acknowledge(session: AsyncSession, alert: Alert | None, who: str | None, now: datetime) -> Alert:
    """`alert` is locked; `who` is a user id, None on the command line. Raises NotFound, AlertNotFiring."""
    if alert is None:
        raise NotFound
    if alert.status != Status.FIRING:
        raise AlertNotFiring(status_now=alert.status)
    alert.status, alert.acknowledged_at, alert.acknowledged_by = Status.ACKNOWLEDGED, now, who or CLI
    record(session, actor_id=who, action="alert.acknowledge", target_type="alert", target_id=alert.rule)
    return alert


async def acknowledge_by_id(session: AsyncSession, alert_id: UUID, who: str, now: datetime) -> Alert:
    return await acknowledge(session, await AlertRepository(session).lock(alert_id), who, now)


async def silence(session: AsyncSession, new: NewSilence, who: str | None, now: datetime) -> AlertSilence:
    """Raises ValidationFailed for a silence that would be over already."""
    if new.ends_at <= now:
        raise ValidationFailed.at("/endsAt", "must be in the future")
    added = await SilenceRepository(session).add(
        AlertSilence(
            rule=new.rule,
            starts_at=new.starts_at or now,
            ends_at=new.ends_at,
            reason=new.reason,
            created_by=who or CLI,
        )
    )
    details = {"rule": new.rule, "endsAt": new.ends_at.isoformat()}
    record(
        session, actor_id=who, action="alert.silence", target_type="alert_silence", target_id=added.id, details=details
    )
    return added


async def end_silence(session: AsyncSession, silence_id: UUID, who: str | None, now: datetime) -> None:
    """End it now; it stays on record. One that is over is left alone. Raises NotFound."""
    found = await SilenceRepository(session).lock(silence_id)
    if found is None:
        raise NotFound
    if found.ends_at <= now:
        return
    found.starts_at, found.ends_at = min(found.starts_at, now), now
    record(session, actor_id=who, action="alert.silence.end", target_type="alert_silence", target_id=silence_id)
