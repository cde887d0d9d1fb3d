"""Curves of the watch, from figures that the API gives. Pure arithmetic; thresholds are those of the alert rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from statistics import mean, median
from typing import Any

from elevate_api.ops.anomalies import FACTOR, LEAST_DAYS, LEAST_POINTS, WEEK

SHOWN_DAYS = 30


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One day of the programme's zone, all stages. `waiting`: submissions without a decision at its end."""

    day: str
    submissions: int
    decided: int
    points: int
    waiting: int | None = None
    unusual_above: float | None = None
    drop_below: float | None = None


def days_of(items: Sequence[Mapping[str, Any]], waiting_now: int, drop: float, least_median: int) -> list[DayFigures]:
    """The last SHOWN_DAYS days of a time series by day and stage, oldest first.

    `waiting` is reckoned back from now: what came in later is taken off, what was decided later is put back. Who
    withdrew is not in the series and counts as never come. `drop` and `least_median` are the settings of the rule
    daily_submissions_drop.
    """
    sums: dict[str, list[int]] = {}
    for item in items:
        day = sums.setdefault(item["day"], [0, 0, 0])
        day[0] += item["submissions"]
        day[1] += item["approved"] + item["rejected"]
        day[2] += item["points"]
    names = sorted(sums)
    figures, waiting = [], waiting_now
    for place in range(len(names) - 1, -1, -1):
        submissions, decided, points = sums[names[place]]
        before = [sums[name] for name in names[max(0, place - WEEK) : place]]
        unusual = _unusual_above([day[2] for day in before])
        dropped = _drop_below([day[0] for day in before], drop, least_median)
        figures.append(DayFigures(names[place], submissions, decided, points, max(waiting, 0), unusual, dropped))
        waiting += decided - submissions
    return figures[SHOWN_DAYS - 1 :: -1]


def _unusual_above(points: Sequence[int]) -> float | None:
    if len(points) < WEEK or sum(1 for day in points if day > 0) < LEAST_DAYS:
        return None
    return max(float(LEAST_POINTS), FACTOR * mean(abs(day) for day in points))


def _drop_below(submissions: Sequence[int], drop: float, least_median: int) -> float | None:
    if len(submissions) < WEEK or (usual := median(submissions)) < least_median:
        return None
    return drop * usual


def noon(day: str) -> int:
    """Seconds since 1970 of a day's middle in UTC, where a chart's axis shows the same day in every zone."""
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * 86_400 + 43_200


@dataclass(frozen=True, slots=True)
class ViewCurve:
    """One view's refreshes, the oldest first: when each began, how long it took, how old the view was by then."""

    view: str
    started: list[float]
    seconds: list[float]
    age_before: list[float | None]
    failed: int


def view_curve(view: str, runs: Sequence[Mapping[str, Any]]) -> ViewCurve:
    """From runs in any order. A failed run leaves the view as old as it was."""
    ordered = sorted(runs, key=lambda run: str(run["startedAt"]))
    fresh_since: float | None = None
    started, seconds, ages = [], [], []
    for run in ordered:
        start = datetime.fromisoformat(run["startedAt"]).timestamp()
        started.append(round(start, 1))
        seconds.append(round(datetime.fromisoformat(run["finishedAt"]).timestamp() - start, 4))
        ages.append(None if fresh_since is None else round(start - fresh_since, 1))
        if run["ok"]:
            fresh_since = start
    return ViewCurve(view, started, seconds, ages, sum(1 for run in ordered if not run["ok"]))
