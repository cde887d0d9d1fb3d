"""Time. Instants are aware and in UTC; days are counted in the programme's zone."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo


def utcnow() -> datetime:
    return datetime.now(UTC)


def local_date(zone: ZoneInfo, at: datetime | None = None) -> date:
    """The calendar day in `zone` at an instant (default: now)."""
    return (at or utcnow()).astimezone(zone).date()
