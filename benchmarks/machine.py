"""Processor time of processes, and how quiet the machine was while something was measured."""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

STAT = Path("/proc/stat")
_LOOPS = 40_000
_STEAL = 7  # of the fields of /proc/stat's first line, after "cpu"


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of processor time by who spent them: the server under load, PostgreSQL, the load itself."""

    server: float = 0
    postgres: float = 0
    client: float = 0

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.server - other.server, self.postgres - other.postgres, self.client - other.client)


def used_by(pids: Iterable[int]) -> float:
    """Seconds that these processes, their children, and children of theirs that ended, have computed so far."""
    return sum(_used(pid) for pid in pids)


def _used(pid: int) -> float:
    total = 0.0
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    for member in family:
        try:
            times = member.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def resident_bytes(pid: int) -> int:
    """Memory of a process and its children that is not shared with others."""
    process = psutil.Process(pid)
    return sum(int(member.memory_full_info().uss) for member in [process, *process.children(recursive=True)])


def calibrate() -> float:
    """Seconds of a fixed piece of work; on a quiet machine it takes the same time whenever it is done."""
    started = time.perf_counter()
    total = 0
    for number in range(_LOOPS):
        total = (total + number * number) % 1_000_003
    return time.perf_counter() - started


def stolen() -> float:
    """Seconds that the hypervisor has given to other machines so far; 0 where that is not known."""
    try:
        fields = STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    except OSError:
        return 0.0
    return int(fields[_STEAL]) / 100 if len(fields) > _STEAL else 0.0


@dataclass(frozen=True, slots=True)
class Noise:
    """How disturbed a measurement was: `calibration` is the spread of the fixed work's time, (max - min) / min, `steal`
    the share of processor time that other machines took, `others` the share that processes besides ours used.
    """

    calibration: float
    steal: float
    others: float

    def as_dict(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in asdict(self).items()}


class Watch:
    """Looks at the machine before and after each round."""

    def __init__(self) -> None:
        self._times = [min(calibrate() for _ in range(3))]
        self._wall = self._stolen = self._others = 0.0

    def begin(self) -> None:
        """Before a round."""
        self._at, self._steal, self._busy = time.perf_counter(), stolen(), _busy()

    def end(self, ours: Cpu) -> float:
        """After a round that took `ours` of processor time; returns its wall time."""
        wall = time.perf_counter() - self._at
        self._wall += wall
        self._stolen += stolen() - self._steal
        self._others += max(0.0, _busy() - self._busy - ours.server - ours.postgres - ours.client)
        self._times.append(min(calibrate() for _ in range(3)))
        return wall

    def noise(self) -> Noise:
        available = max(self._wall, 1e-9) * (psutil.cpu_count() or 1)
        best = min(self._times)
        spread = (max(self._times) - best) / best
        return Noise(spread, self._stolen / available, self._others / available)


def _busy() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.system + getattr(times, "irq", 0) + getattr(times, "softirq", 0))


def described() -> dict[str, Any]:
    """The machine, for the record of a run."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {"cpu": model, "cores": psutil.cpu_count(), "memory_gb": round(psutil.virtual_memory().total / 2**30, 1)}
