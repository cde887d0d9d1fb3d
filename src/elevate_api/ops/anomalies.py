"""Which days' points are unusual. Pure arithmetic over the manual's 'Point distribution anomalies'."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from statistics import mean

WEEK = 7
FACTOR = 3.0
"""A day with more than this many times the points of an average day of the week before it is unusual."""
LEAST_POINTS = 300
"""Below this nothing is unusual: a small programme's first busy day is no anomaly."""
LEAST_DAYS = 3
"""Days with points that the week before must have, or there is nothing to compare with."""


@dataclass(frozen=True, slots=True)
class Day:
    """Points of one day of the programme's zone, by recording time. `points` is the net sum."""

    day: date
    points: int
    entries: int
    average: float | None = None


def unusual(days: Sequence[Day]) -> list[Day]:
    """Those days, of consecutive ones in order, that stand out against the week before each."""
    return [day for position, day in enumerate(days) if _stands_out(day, days[max(0, position - WEEK) : position])]


def _stands_out(day: Day, before: Sequence[Day]) -> bool:
    if len(before) < WEEK or sum(1 for one in before if one.points > 0) < LEAST_DAYS:
        return False
    return abs(day.points) >= LEAST_POINTS and abs(day.points) > FACTOR * mean(abs(one.points) for one in before)
