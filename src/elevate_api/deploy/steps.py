"""Running a procedure: one step after the other, each told, stopped by the first that fails."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from elevate_api.kit.procedures import ProcedureFailed

Say = Callable[[str], None]


class StepFailed(ProcedureFailed):
    """A step of a deploy failed; the message has the way back. `step` names it."""

    def __init__(self, step: str, reason: str, way_back: str) -> None:
        super().__init__(f"{step}: {reason}\nWay back: {way_back}")
        self.step = step


@dataclass(frozen=True, slots=True)
class Step:
    """`run` answers what to print, and raises for a failure. `way_back`: what the operator does then."""

    name: str
    run: Callable[[], str]
    way_back: str


def perform(steps: Sequence[Step], say: Say) -> dict[str, str]:
    """Run all; answers what each said. Raises StepFailed; what comes after has not been started then."""
    told = {}
    for number, step in enumerate(steps, 1):
        started = time.monotonic()
        try:
            told[step.name] = step.run()
        except Exception as error:
            say(f"[{number}/{len(steps)}] {step.name}: FAILED")
            raise StepFailed(step.name, _first_line(error), step.way_back) from error
        say(f"[{number}/{len(steps)}] {step.name}: {told[step.name]} ({time.monotonic() - started:.1f} s)")
    return told


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text if isinstance(error, ProcedureFailed) else text.splitlines()[0]
