"""What a benchmark yields: values of two contenders from alternate rounds, and what is to be reached."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.machine import Cpu, Noise


class CheckFailed(AssertionError):
    """A contender answered something that it must not; its speed is of no interest then."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One round of one contender: `value` in the comparison's unit, `work` how many things were done (requests, rows).

    `details` are further figures of the round (latencies, bytes), kept in the JSON.
    """

    value: float
    work: float = 1
    details: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reach:
    """A limit on the ratio ours / baseline."""

    limit: float
    at_most: bool
    text: str

    def reached(self, ratio: float) -> bool:
        return ratio <= self.limit if self.at_most else ratio >= self.limit


def at_least(ratio: float) -> Reach:
    return Reach(ratio, at_most=False, text=f">= {ratio:g}")


def at_most(ratio: float) -> Reach:
    return Reach(ratio, at_most=True, text=f"<= 1/{round(1 / ratio)}" if ratio <= 0.5 else f"<= {ratio:g}")  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class Round:
    measured: Measured
    cpu: Cpu
    wall: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table."""

    benchmark: str
    what: str
    unit: str
    baseline_name: str
    ours: Sequence[Round]
    baseline: Sequence[Round]
    reach: Reach | None
    noise: Noise
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """Round by round, so that what disturbed both of a round cancels out."""
        return [a.measured.value / b.measured.value for a, b in zip(self.ours, self.baseline, strict=True)]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def reached(self) -> bool | None:
        return None if self.reach is None else self.reach.reached(self.ratio)

    def as_dict(self) -> dict[str, Any]:
        low, high = quartiles(self.ratios)
        return {
            "benchmark": self.benchmark,
            "what": self.what,
            "unit": self.unit,
            "ours": summary(self.ours),
            "baseline": {"name": self.baseline_name, **summary(self.baseline)},
            "ratio": self.ratio,
            "ratio_quartiles": [low, high],
            "ratios": self.ratios,
            "reach": None if self.reach is None else self.reach.text,
            "reached": self.reached,
            "noise": self.noise.as_dict(),
            "note": self.note,
        }


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def summary(rounds: Sequence[Round]) -> dict[str, Any]:
    """Medians; processor time in microseconds per thing done."""
    values = [one.measured.value for one in rounds]
    low, high = quartiles(values)
    names = sorted({name for one in rounds for name in one.measured.details})
    return {
        "median": statistics.median(values),
        "quartiles": [low, high],
        "values": values,
        "wall_seconds": statistics.median(one.wall for one in rounds),
        "cpu_us": {
            who: statistics.median(1e6 * getattr(one.cpu, who) / max(one.measured.work, 1) for one in rounds)
            for who in ("server", "postgres", "client")
        },
        "details": {
            name: statistics.median(one.measured.details[name] for one in rounds if name in one.measured.details)
            for name in names
        },
    }
