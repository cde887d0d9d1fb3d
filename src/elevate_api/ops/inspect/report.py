"""Everything at once, against thresholds: what to do first."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.analytics.queries import ViewFreshness, freshness
from elevate_api.ops.inspect import indexes, sessions, statements, storage, trends
from elevate_api.ops.inspect.base import Row

CONNECTION_SHARE = 0.8  # the manual: pool > 80 %
SLOW_SECONDS = 10.0
BLOCKED_SECONDS = 5.0
IDLE_SECONDS = 3600.0  # the manual: idle for an hour
CACHE_SHARE, CACHE_READS = 0.99, 100_000
DEAD_SHARE, DEAD_ROWS = 0.2, 10_000
TRANSACTION_AGE = 500_000_000
"""A quarter of what PostgreSQL can bear; autovacuum begins to hurry at 200 million."""
EMPTY_SHARE, EMPTY_BYTES = 0.5, 104_857_600
PENDING = 50  # the manual: review queue > 50
STALE_SECONDS = 1800.0  # the manual: 30 minutes


@dataclass(frozen=True, slots=True)
class Figures:
    capacity: Row
    connections: Sequence[Row] = ()
    slow: Sequence[Row] = ()
    blocking: Sequence[Row] = ()
    cache: Sequence[Row] = ()
    vacuum: Sequence[Row] = ()
    bloat: Sequence[Row] = ()
    indexes: Sequence[Row] = ()
    queue: Sequence[Row] = ()
    quota: Sequence[Row] = ()
    views: Sequence[ViewFreshness] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Advice:
    """`urgency` 1 is now, 2 today, 3 some time."""

    urgency: int
    found: str
    do: str


async def gather(session: AsyncSession) -> Figures:
    return Figures(
        capacity=(await sessions.CAPACITY.rows(session))[0],
        connections=await sessions.CONNECTIONS.rows(session),
        slow=await statements.slow(session, SLOW_SECONDS),
        blocking=await sessions.BLOCKING.rows(session),
        cache=await storage.CACHE.rows(session),
        vacuum=await storage.VACUUM.rows(session),
        bloat=await storage.BLOAT.rows(session),
        indexes=await indexes.findings(session),
        queue=await trends.QUEUE.rows(session),
        quota=await trends.QUOTA.rows(session),
        views=await freshness(session),
    )


def judge(figures: Figures) -> list[Advice]:
    """What stands out, the most urgent first; empty when nothing does. Pure."""
    found = [*_sessions(figures), *_storage(figures), *_indexes(figures), *_programme(figures)]
    return sorted(found, key=lambda advice: advice.urgency)


def _sessions(figures: Figures) -> list[Advice]:
    found = []
    share = figures.capacity["share"]
    if share > CONNECTION_SHARE:
        taken = f"{figures.capacity['used']} of {figures.capacity['usable']} connections are taken"
        found.append(Advice(1, taken, "elevate ops connections, then elevate emergency idle"))
    waiting = [row for row in figures.blocking if row["waiting_seconds"] > BLOCKED_SECONDS]
    if waiting:
        pids = ", ".join(sorted({str(row["blocking_pid"]) for row in waiting}))
        found.append(Advice(1, f"{len(waiting)} statements wait for a lock of {pids}", "elevate ops blocking"))
    running = [row for row in figures.slow if row["when"] == "now"]
    if running:
        longest = max(row["seconds"] for row in running)
        found.append(Advice(1, f"{len(running)} statements run for up to {longest:.0f} s", "elevate ops activity"))
    if len(running) < len(figures.slow):
        found.append(
            Advice(2, f"{len(figures.slow) - len(running)} statements are slow on average", "elevate ops slow")
        )
    idle = [row for row in figures.connections if (row["longest_seconds"] or 0) > IDLE_SECONDS]
    stuck = [row for row in idle if row["state"].startswith("idle in transaction")]
    if stuck:
        found.append(Advice(1, "a transaction has been open and idle for over an hour", "elevate emergency idle"))
    return found


def _storage(figures: Figures) -> list[Advice]:
    found = []
    whole = next((row for row in figures.cache if row["relation"] == "all"), None)
    if whole and whole["reads"] >= CACHE_READS and (whole["table_hits"] or 1) < CACHE_SHARE:
        found.append(
            Advice(2, f"only {whole['table_hits']:.1%} of reads come from memory", "more memory, or ops outliers")
        )
    for row in figures.vacuum:
        if row["transaction_age"] > TRANSACTION_AGE:
            found.append(
                Advice(1, f"{row['relation']} has not been frozen for long", f"VACUUM FREEZE {row['relation']}")
            )
        elif row["dead"] >= DEAD_ROWS and (row["dead_share"] or 0) > DEAD_SHARE:
            found.append(
                Advice(2, f"{row['dead_share']:.0%} of {row['relation']} is dead", f"VACUUM {row['relation']}")
            )
    found.extend(
        Advice(3, f"about {row['empty']} of {row['relation']} is empty", f"VACUUM {row['relation']}")
        for row in figures.bloat
        if row["kind"] == "table" and row["empty_bytes"] >= EMPTY_BYTES and row["empty_share"] > EMPTY_SHARE
    )
    return found


def _indexes(figures: Figures) -> list[Advice]:
    urgency = {"invalid": 2, "missing": 2, "duplicate": 3, "unused": 3, "bloated": 3}
    return [
        Advice(urgency[row["finding"]], f"{row['finding']} index {row['index'] or 'on ' + row['table']}", row["detail"])
        for row in figures.indexes
    ]


def _programme(figures: Figures) -> list[Advice]:
    found = []
    pending = sum(row["pending"] for row in figures.queue)
    if pending > PENDING:
        found.append(Advice(2, f"{pending} submissions wait for review", "elevate review queue"))
    if figures.quota:
        found.append(Advice(3, f"{len(figures.quota)} people near or over AMPLIFY's limits", "elevate check"))
    stale = [view.view for view in figures.views if view.is_stale(STALE_SECONDS)]
    if stale:
        found.append(Advice(2, f"not refreshed for half an hour: {', '.join(stale)}", "elevate analytics status"))
    broken = [view.view for view in figures.views if view.last_ok is False]
    if broken:
        found.append(
            Advice(1, f"the last refresh failed: {', '.join(broken)}", "elevate analytics status, then rebuild")
        )
    return found
