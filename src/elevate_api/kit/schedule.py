"""What a package declares in its `jobs.py` for the scheduler to run."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from elevate_api.kit.db import Database


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job that runs every `seconds`, and with `at_start` also as soon as the scheduler starts.

    `run` opens its own transactions. It never overlaps with itself in one process; what must not overlap over several
    uses `kit.jobs.run_single_flight`. Whatever it raises is logged, and it runs again at its next time.
    """

    name: str
    seconds: float
    run: Callable[[Database], Awaitable[object]]
    at_start: bool = False
