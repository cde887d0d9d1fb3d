"""Errors of the database, counted where they happen and written beside the transaction that they end."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import structlog
from pydantic_core import to_json
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext

from elevate_api.alerts.faults import evidence_of, rule_of
from elevate_api.alerts.metrics import DATABASE_ERRORS, REFUSALS
from elevate_api.alerts.rules import Name
from elevate_api.kit.aside import aside
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Address, Database
from elevate_api.kit.problems import DatabaseError, describe

WRITE_SECONDS = 3.0
RETRY_SECONDS = 5.0
KINDS = 200
"""Kinds of errors kept while the database cannot be written; more are counted with the last of their rule."""

LIMITS = ("submissions_amplify_quota", "submissions_hourly_limit")
"""Names by which the database refuses what would be too much."""

log = structlog.get_logger(__name__)
Kind = tuple[Name, str]


@dataclass(slots=True)
class _Seen:
    evidence: dict[str, Any]
    last_at: datetime


class Recorder:
    """Hears every error of a pool, answered politely or not, in a savepoint, a request or a job, once each.

    What belongs to a rule is written to `alert_events` at once, in the background; while that fails it is kept.
    """

    def __init__(self, address: Address, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._address = address
        self._retry_seconds = retry_seconds
        self._counts: Counter[Kind] = Counter()
        self._seen: dict[Kind, _Seen] = {}
        self._writing: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._closing = asyncio.Event()

    def listen(self, database: Database) -> None:
        event.listen(database.engine.sync_engine, "handle_error", self._hear)
        database.error_listeners.append(self._hear_of)

    def _hear(self, context: ExceptionContext) -> None:
        described = describe(context.original_exception)
        if described is not None:
            self._hear_of(described)

    def _hear_of(self, error: DatabaseError) -> None:
        try:
            self.note(error)
        except Exception:  # a broken counter must not cost anybody the answer
            log.exception("database_error_not_counted")

    def note(self, error: DatabaseError) -> None:
        """Count one error of the database."""
        DATABASE_ERRORS.labels(error.sqlstate or "driver").inc()
        if error.constraint in LIMITS:
            REFUSALS.labels(error.constraint).inc()
        rule = rule_of(error)
        if rule is None:
            return
        evidence = evidence_of(error)
        kind = self._kind(rule, repr(evidence))
        self._counts[kind] += 1
        self._seen[kind] = _Seen(evidence, utcnow())
        self._start()

    async def flush(self) -> bool:
        """Write what was counted; False when that failed, and it is kept."""
        async with self._one_at_a_time:
            return await self._flush()

    async def _flush(self) -> bool:
        counts, self._counts = self._counts, Counter()
        if not counts:
            return True
        rows = [
            (kind[0], count, self._seen[kind].last_at, to_json(self._seen[kind].evidence).decode())
            for kind, count in counts.items()
        ]
        try:
            await aside(self._address, "elevate-events", lambda line: _write(line, rows), seconds=WRITE_SECONDS)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            self._counts.update(counts)
            log.warning("alert_events_not_written", error=type(error).__name__, kinds=len(counts))
            return False
        return True

    async def close(self) -> None:
        """Write what is left; a database that is gone leaves it in the log."""
        self._closing.set()
        if self._writing is not None:
            await self._writing
        await self.flush()

    def _kind(self, rule: Name, evidence: str) -> Kind:
        kind = (rule, evidence)
        if kind in self._counts or len(self._counts) < KINDS:
            return kind
        return next((known for known in self._counts if known[0] == rule), kind)

    def _start(self) -> None:
        """Write in the background; on a thread without a loop (the command line) `close` does."""
        with suppress(RuntimeError):
            if self._writing is None or self._writing.done():
                self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        while self._counts and not self._closing.is_set():
            if not await self.flush():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), self._retry_seconds)


async def _write(line: Any, rows: list[tuple[Name, int, datetime, str]]) -> None:
    await line.executemany(
        "INSERT INTO alert_events (rule, count, last_at, evidence) VALUES ($1, $2, $3, $4)", rows, timeout=WRITE_SECONDS
    )
