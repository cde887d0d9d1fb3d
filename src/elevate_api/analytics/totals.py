"""The totals behind boards and views: folding what changed, counting everything anew (docs/decisions/totals.md)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from prometheus_client import Counter, Histogram
from sqlalchemy import text

from elevate_api.kit.bounds import take_time
from elevate_api.kit.db import Database
from elevate_api.kit.metrics import REGISTRY

PATIENCE_SECONDS = 3600
"""Longest that a fold may take: it counts everything anew where it must. Ten million ledger rows took 40."""

FOLD_SECONDS = Histogram(
    "leaps_fold_duration_seconds",
    "Of folds that this process ran.",
    ["outcome"],
    registry=REGISTRY,
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
)
FOLDED = Counter("leaps_folded_total", "What folds of this process took up.", ["what"], registry=REGISTRY)


class Outcome(StrEnum):
    """What a fold came to. RUNNING: another process folds. REBUILT: it had to count everything anew."""

    FOLDED = "folded"
    UNCHANGED = "unchanged"
    RUNNING = "running"
    REBUILT = "rebuilt"


@dataclass(frozen=True, slots=True)
class Fold:
    """`as_of`: the totals hold everything that was committed before; None for RUNNING."""

    outcome: Outcome
    as_of: datetime | None
    seconds: float | None


async def fold(database: Database, *, wait: bool = False) -> Fold:
    """Bring the totals up to date. While another call does so anywhere it answers RUNNING, or waits with `wait`."""
    async with database.session() as session:
        await take_time(session, PATIENCE_SECONDS)
        row = (await session.execute(text("SELECT * FROM fold_totals(:wait)"), {"wait": wait})).one()
    done = Fold(Outcome(row.outcome), row.as_of, row.seconds)
    if done.seconds is not None:
        FOLD_SECONDS.labels(done.outcome).observe(done.seconds)
    for what in ("ledger_rows", "swept_rows", "submission_notes", "people_notes"):
        FOLDED.labels(what).inc(getattr(row, what) or 0)
    return done


async def rebuild(database: Database, reason: str) -> int:
    """Count everything anew beside readers and writers; the number of people counted. Waits for a fold that runs."""
    async with database.session() as session:
        await take_time(session, PATIENCE_SECONDS)
        return int((await session.execute(text("SELECT rebuild_totals(:reason)"), {"reason": reason})).scalar_one())
