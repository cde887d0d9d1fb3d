"""What the database says, the same whichever process is asked: read at most every few seconds, beside the pool."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from elevate_api.alerts.evaluate import OPEN
from elevate_api.analytics.queries import FRESHNESS
from elevate_api.kit.aside import aside
from elevate_api.kit.db import Address

CACHE_SECONDS = 10.0
READ_SECONDS = 2.0
_LIMITS = "SET LOCAL lock_timeout = '200ms'; SET LOCAL statement_timeout = '1s'"

log = structlog.get_logger(__name__)
Row = Mapping[str, Any]
Samples = Iterable[tuple[Sequence[str], float]]


@dataclass(frozen=True, slots=True)
class Figure:
    """A gauge and how it comes out of the rows of `statement`; figures of one statement share one reading."""

    name: str
    documentation: str
    statement: str
    samples: Callable[[Sequence[Row]], Samples]
    labels: tuple[str, ...] = ()


def _column(name: str, *labels: str) -> Callable[[Sequence[Row]], Samples]:
    """A sample a row; rows in which the column is NULL have nothing to tell."""

    def samples(rows: Sequence[Row]) -> Samples:
        return [([str(row[label]) for label in labels], float(row[name])) for row in rows if row[name] is not None]

    return samples


_QUEUE = """
SELECT count(*) AS pending, coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) AS oldest
FROM submissions WHERE status = 'PENDING'
"""
# Of the last day, so that the figure stays cheap whatever the history has grown to.
_REFRESHES = """
SELECT view_name AS view, count(*) FILTER (WHERE NOT ok) AS failures,
       extract(epoch FROM (array_agg(finished_at - started_at ORDER BY started_at DESC))[1]) AS seconds
FROM analytics_refreshes WHERE started_at > clock_timestamp() - interval '24 hours' GROUP BY view_name
"""
_ALERTS = f"""
SELECT rule, severity, (status IN ({", ".join(f"'{status}'" for status in sorted(OPEN))}))::integer AS open,
       extract(epoch FROM looked_at) AS looked_at
FROM alerts
"""
_NOTICES = """
SELECT count(*) AS waiting FROM alert_notices WHERE delivered_at IS NULL AND given_up_at IS NULL
"""
# Every scheduler folds each second and says so at least every 15 (docs/decisions/totals.md).
_TOTALS = """
SELECT extract(epoch FROM clock_timestamp() - as_of) AS age_seconds, ledger_folded AS ledger_rows,
       extract(epoch FROM clock_timestamp() - rebuilt_at) AS rebuilt_seconds
FROM totals_state
"""
_SIZE = "SELECT pg_database_size(current_database()) AS bytes"
# What the daily check and the backups left behind (job_runs); nothing before their first run.
_INVARIANTS = """
SELECT one ->> 'name' AS invariant, (one ->> 'count')::bigint AS violations
FROM (SELECT outcome FROM job_runs WHERE name = 'daily-health' AND outcome IS NOT NULL
      ORDER BY started_at DESC LIMIT 1) last, jsonb_array_elements(last.outcome -> 'checks') one
"""
_BACKUPS = """
SELECT outcome ->> 'kind' AS kind, extract(epoch FROM clock_timestamp() - max(started_at)) AS age_seconds
FROM job_runs WHERE name = 'backup' AND ok AND outcome ->> 'kind' IS NOT NULL GROUP BY 1
"""


def _last_evaluation(rows: Sequence[Row]) -> Samples:
    return [([], float(max(row["looked_at"] for row in rows if row["looked_at"] is not None)))] if rows else []


FIGURES: tuple[Figure, ...] = (
    Figure(
        "leaps_view_age_seconds",
        "Since the last successful refresh of a view started.",
        FRESHNESS,
        _column("age_seconds", "view"),
        ("view",),
    ),
    Figure("leaps_view_rows", "Rows at the last successful refresh.", FRESHNESS, _column("rows", "view"), ("view",)),
    Figure(
        "leaps_view_last_refresh_ok",
        "1 when the last refresh ended well.",
        FRESHNESS,
        _column("last_ok", "view"),
        ("view",),
    ),
    Figure(
        "leaps_view_refresh_duration_seconds",
        "Of the last refresh.",
        _REFRESHES,
        _column("seconds", "view"),
        ("view",),
    ),
    Figure("leaps_view_refresh_failures", "In the last 24 hours.", _REFRESHES, _column("failures", "view"), ("view",)),
    Figure(
        "leaps_totals_age_seconds",
        "Since the last fold that left a trace; one does every 15 s.",
        _TOTALS,
        _column("age_seconds"),
    ),
    Figure("leaps_totals_ledger_rows", "Ledger rows folded one by one so far.", _TOTALS, _column("ledger_rows")),
    Figure("leaps_totals_rebuilt_seconds", "Since everything was counted anew.", _TOTALS, _column("rebuilt_seconds")),
    Figure("leaps_review_queue_pending", "Submissions that wait for review.", _QUEUE, _column("pending")),
    Figure("leaps_review_queue_oldest_seconds", "How long the oldest has waited.", _QUEUE, _column("oldest")),
    Figure(
        "leaps_alert_open",
        "1 while an alert is firing, acknowledged or not.",
        _ALERTS,
        _column("open", "rule", "severity"),
        ("rule", "severity"),
    ),
    Figure(
        "leaps_alerts_last_evaluation_timestamp_seconds", "Of the last evaluation anywhere.", _ALERTS, _last_evaluation
    ),
    Figure("leaps_alert_notices_waiting", "Notices that are not delivered yet.", _NOTICES, _column("waiting")),
    Figure(
        "leaps_invariant_violations",
        "Found by the last daily check.",
        _INVARIANTS,
        _column("violations", "invariant"),
        ("invariant",),
    ),
    Figure(
        "leaps_backup_age_seconds",
        "Since the last good backup of a kind began.",
        _BACKUPS,
        _column("age_seconds", "kind"),
        ("kind",),
    ),
    Figure("leaps_database_size_bytes", "On disk.", _SIZE, _column("bytes")),
)
UP = "leaps_database_up"


class Figures:
    """One a process. `current` is joined by whoever asks at the same time, and kept for some seconds."""

    def __init__(self, address: Address, figures: Sequence[Figure] = FIGURES) -> None:
        self._address = address
        self._figures = tuple(figures)
        self._reading: asyncio.Task[list[Metric]] | None = None
        self._read_at = 0.0

    async def current(self) -> Collector:
        """Everything that could be read; a database that does not answer leaves `leaps_database_up 0` alone."""
        reading = self._reading
        if reading is None or (reading.done() and time.monotonic() - self._read_at >= CACHE_SECONDS):
            self._read_at = time.monotonic()
            reading = self._reading = asyncio.create_task(self._read())
        return _Metrics(await asyncio.shield(reading))

    async def close(self) -> None:
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> list[Metric]:
        try:
            found = await aside(self._address, "elevate-metrics", self._ask, seconds=READ_SECONDS)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("metrics_without_database", error=type(error).__name__)
            return [_gauge(UP, "1 when the database answers.", (), [([], 0.0)])]
        up = _gauge(UP, "1 when the database answers.", (), [([], 1.0)])
        return [up, *(_metric(figure, found[figure.statement]) for figure in self._figures)]

    async def _ask(self, line: Any) -> dict[str, Sequence[Row]]:
        statements = dict.fromkeys(figure.statement for figure in self._figures)
        return {statement: await _rows(line, statement) for statement in statements}


async def _rows(line: Any, statement: str) -> Sequence[Row]:
    """No rows for a statement that fails: a table may be locked, or not be there yet."""
    try:
        async with line.transaction(readonly=True):
            await line.execute(_LIMITS)
            return [dict(row) for row in await line.fetch(statement)]
    except asyncpg.PostgresError as error:
        if line.is_closed() or isinstance(error, asyncpg.PostgresConnectionError):
            raise
        log.warning("metric_unread", sqlstate=error.sqlstate)
        return []


def _metric(figure: Figure, rows: Sequence[Row]) -> Metric:
    return _gauge(figure.name, figure.documentation, figure.labels, figure.samples(rows))


def _gauge(name: str, documentation: str, labels: Sequence[str], samples: Samples) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


class _Metrics(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics
