"""Whether a finished day brought far fewer submissions than such a day usually does: arithmetic only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import median
from zoneinfo import ZoneInfo

WEEKS = 4


@dataclass(frozen=True, slots=True)
class Drop:
    """`usual`: median of the same weekday in the four weeks before."""

    day: date
    submissions: int
    usual: float
    dropped: bool


def finished_days(now: datetime, zone: ZoneInfo) -> list[date]:
    """Yesterday in `zone`, and the same weekday in the four weeks before it."""
    yesterday = now.astimezone(zone).date() - timedelta(days=1)
    return [yesterday - timedelta(weeks=weeks) for weeks in range(WEEKS + 1)]


def bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Start of the day and of the next, which on some days of some zones is not 24 hours later."""
    return (
        datetime.combine(day, time.min, tzinfo=zone),
        datetime.combine(day + timedelta(days=1), time.min, tzinfo=zone),
    )


def judge(day: date, submissions: int, before: Sequence[int], *, share: float, least: int) -> Drop:
    """Dropped: more than `share` below the median of `before`, where that median is at least `least`."""
    usual = median(before)
    return Drop(day, submissions, usual, dropped=usual >= least and submissions < usual * (1 - share))
