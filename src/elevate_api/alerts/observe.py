"""Looking at the conditions of the rules, on the evaluator's own connection.

A look answers None where the rule does not apply, or where nothing could be found out: the alert then stays as it is.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import structlog

from elevate_api.alerts import drop
from elevate_api.alerts.evaluate import Observation
from elevate_api.alerts.rules import Name
from elevate_api.analytics.queries import FRESHNESS
from elevate_api.config import AlertSettings

QUERY_CHARACTERS = 80
"""How much of a slow statement is told. The service binds its values, so that its statements carry none."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a source outside this package says: `faulty`, and a sentence without personal data."""

    faulty: bool
    summary: str
    evidence: Mapping[str, Any]


Source = Callable[[Any, datetime], Awaitable[Outcome | None]]
"""(connection, now) -> what it found; None while it does not apply, as with backups that nobody has scheduled."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a look needs besides the connection. `now` is the evaluator's, which tests move.

    `pending_migrations`: how many of this code's migrations the database's revision lacks. `sources`: of the rules
    whose facts other packages keep; a rule without a source does not apply.
    """

    now: datetime
    settings: AlertSettings
    stale_seconds: float
    zone: ZoneInfo
    pending_migrations: Callable[[str | None], int]
    sources: Mapping[Name, Source]


Look = Callable[[Any, Surroundings], Awaitable[Observation | None]]


async def observe(connection: Any, name: Name, around: Surroundings) -> Observation | None:
    """Look at one rule; a statement that fails is logged and finds out nothing."""
    source = around.sources.get(name)
    look = _from_source(source) if source is not None else LOOKS.get(name)
    if look is None:
        return None
    try:
        async with connection.transaction():
            return await look(connection, around)
    except asyncpg.PostgresError as error:
        if connection.is_closed() or isinstance(error, asyncpg.PostgresConnectionError):
            raise
        log.warning("alert_not_observed", rule=name, sqlstate=error.sqlstate)
        return None


def _from_source(source: Source) -> Look:
    async def look(connection: Any, around: Surroundings) -> Observation | None:
        found = await source(connection, around.now)
        return None if found is None else Observation(found.faulty, found.summary, found.evidence)

    return look


async def connection(line: Any, _around: Surroundings) -> Observation:
    await line.fetchval("SELECT 1")
    return Observation(active=False, summary="the database answers")


async def migrations(line: Any, around: Surroundings) -> Observation:
    """Behind this code, or the last migration failed. Ahead of it is a rolling deploy, as health has it."""
    migrated = await line.fetchval("SELECT to_regclass('public.alembic_version') IS NOT NULL")
    current = await line.fetchval("SELECT max(version_num) FROM alembic_version") if migrated else None
    pending = around.pending_migrations(current)
    failed = bool(await line.fetchval(_LAST_MIGRATION_FAILED)) if migrated else False
    evidence = {"current": current, "pending": pending, "lastRunFailed": failed}
    if failed:
        return Observation(active=True, summary="the last run of the migrations failed", evidence=evidence)
    summary = f"{pending} migrations are pending" if pending else "at head"
    return Observation(active=pending > 0, summary=summary, evidence=evidence)


async def refreshes(line: Any, _around: Surroundings) -> Observation:
    failed = [row["view"] for row in await line.fetch(FRESHNESS) if row["last_ok"] is False]
    summary = f"the last refresh failed: {', '.join(failed)}" if failed else "every last refresh ended well"
    return Observation(bool(failed), summary, {"views": failed})


async def staleness(line: Any, around: Surroundings) -> Observation:
    """A view that was never refreshed is as old as the watch over it, or every first start would be an alarm."""
    first = await line.fetchval("SELECT id FROM alerts ORDER BY id LIMIT 1")
    watched_since = around.now if first is None else datetime.fromtimestamp((first.int >> 80) / 1000, UTC)  # UUIDv7
    ages = {
        row["view"]: round((around.now - (row["refreshed_at"] or watched_since)).total_seconds())
        for row in await line.fetch(FRESHNESS)
    }
    stale = {view: age for view, age in ages.items() if age > around.stale_seconds}
    summary = f"older than {around.stale_seconds:g} s: {', '.join(stale)}" if stale else "every view is fresh"
    return Observation(bool(stale), summary, {"ageSeconds": stale})


async def slow_statements(line: Any, around: Surroundings) -> Observation:
    """What this role may see: its own statements, and with pg_read_all_stats everybody's."""
    rows = await line.fetch(_SLOW, around.settings.slow_query, QUERY_CHARACTERS)
    found = [{"seconds": round(row["seconds"], 1), "query": row["query"]} for row in rows]
    summary = f"{len(found)} running longer than {around.settings.slow_query:g} s"
    return Observation(bool(found), summary, {"statements": found[:5]})


async def connections(line: Any, around: Surroundings) -> Observation:
    """The fullest pool of the processes that sampled lately, and the server's connections."""
    lately = around.now - timedelta(seconds=max(60, 4 * around.settings.interval))
    pool = await line.fetchrow(_FULLEST_POOL, lately)
    server = await line.fetchrow(_SERVER_CONNECTIONS)
    pool_share = pool["in_use"] / pool["size"] if pool else 0.0
    server_share = server["in_use"] / server["size"]
    limit = around.settings.pool_utilization
    evidence = {
        "pool": dict(pool) if pool else None,
        "server": {"size": server["size"], "in_use": server["in_use"]},
        "limit": limit,
    }
    fullest = f"pool {pool_share:.0%}, server {server_share:.0%} in use"
    return Observation(max(pool_share, server_share) > limit, fullest, evidence)


async def review_queue(line: Any, around: Surroundings) -> Observation:
    pending = await line.fetchval("SELECT count(*) FROM submissions WHERE status = 'PENDING'")
    limit = around.settings.review_queue
    return Observation(pending > limit, f"{pending} submissions wait for review", {"pending": pending, "limit": limit})


async def submissions_drop(line: Any, around: Surroundings) -> Observation:
    days = drop.finished_days(around.now, around.zone)
    counts = [await line.fetchval(_SUBMISSIONS_OF_DAY, *drop.bounds(day, around.zone)) for day in days]
    settings = around.settings
    found = drop.judge(
        days[0], counts[0], counts[1:], share=settings.submissions_drop, least=settings.submissions_median
    )
    evidence = {"day": found.day.isoformat(), "submissions": found.submissions, "usual": found.usual}
    summary = f"{found.submissions} submissions on {found.day}, usually {found.usual:g}"
    return Observation(found.dropped, summary, evidence)


async def kajabi_events(line: Any, around: Surroundings) -> Observation:
    before = around.now - timedelta(seconds=around.settings.kajabi_age)
    waiting = {row["status"]: row["events"] for row in await line.fetch(_WAITING_EVENTS, before)}
    total, limit = sum(waiting.values()), around.settings.kajabi_events
    summary = f"{total} events unmatched or failed for longer than {around.settings.kajabi_age} s"
    return Observation(total > limit, summary, {"waiting": waiting, "limit": limit})


def events_of(rule: Name) -> Look:
    """Events that no evaluation has counted yet. They are marked in the evaluation's transaction: counted once."""

    async def look(line: Any, _around: Surroundings) -> Observation:
        row = await line.fetchrow(_TAKE_EVENTS, rule.value)
        if not row["events"]:
            return Observation(active=False, summary="no new errors")
        summary = f"{row['events']} errors, the last with SQLSTATE {row['sqlstate']}"
        evidence = {"kinds": row["kinds"]}
        return Observation(True, summary, evidence, last_at=row["last_at"], events=row["events"])

    return look


LOOKS: Mapping[Name, Look] = {
    Name.DATABASE_CONNECTION_FAILURE: connection,
    Name.MIGRATION_FAILURE: migrations,
    Name.VIEW_REFRESH_FAILURE: refreshes,
    Name.AMPLIFY_QUOTA_TRIGGER_ERROR: events_of(Name.AMPLIFY_QUOTA_TRIGGER_ERROR),
    Name.FOREIGN_KEY_VIOLATION: events_of(Name.FOREIGN_KEY_VIOLATION),
    Name.SLOW_QUERY: slow_statements,
    Name.CONNECTION_POOL_UTILIZATION: connections,
    Name.REVIEW_QUEUE_BACKLOG: review_queue,
    Name.DAILY_SUBMISSIONS_DROP: submissions_drop,
    Name.VIEW_STALENESS: staleness,
    Name.KAJABI_BACKLOG: kajabi_events,
}
"""`invariant_violated` and `backup_overdue` have no look here: their facts belong to whoever checks and backs up."""

MIGRATE_JOB = "migrate"

_LAST_MIGRATION_FAILED = f"""
SELECT NOT ok FROM job_runs WHERE name = '{MIGRATE_JOB}' AND finished_at IS NOT NULL ORDER BY started_at DESC LIMIT 1
"""

# Refreshes and backups take long by nature; both run as statements that name them, or under a backup's own name.
_SLOW = """
SELECT extract(epoch FROM clock_timestamp() - query_start)::double precision AS seconds, left(query, $2) AS query
FROM pg_stat_activity
WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()
  AND backend_type = 'client backend'
  AND query_start < clock_timestamp() - make_interval(secs => $1)
  AND query !~* '(refresh\\s+materialized\\s+view|refresh_analytics_view|refresh_all_analytics)'
  AND query !~* '^\\s*copy\\s.*\\sto\\s+stdout'
  AND application_name !~* '^(pg_dump|pg_basebackup|pg_restore)'
ORDER BY query_start
"""

_FULLEST_POOL = """
SELECT pool_size AS size, pool_in_use AS in_use FROM alert_samples
WHERE sampled_at >= $1 AND pool_size > 0 ORDER BY pool_in_use::float / pool_size DESC LIMIT 1
"""

# numbackends is for everybody to see, which pg_stat_activity is not.
_SERVER_CONNECTIONS = """
SELECT sum(numbackends)::integer AS in_use,
       current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer AS size
FROM pg_stat_database
"""

_SUBMISSIONS_OF_DAY = "SELECT count(*) FROM submissions WHERE created_at >= $1 AND created_at < $2"

_WAITING_EVENTS = """
SELECT status, count(*) AS events FROM kajabi_events
WHERE status IN ('UNMATCHED', 'FAILED') AND created_at < $1 GROUP BY status
"""

_TAKE_EVENTS = """
WITH taken AS (
  UPDATE alert_events SET counted = true WHERE rule = $1 AND NOT counted RETURNING count, last_at, evidence
)
SELECT coalesce(sum(count), 0)::integer AS events, max(last_at) AS last_at,
       (array_agg(evidence ->> 'sqlstate' ORDER BY last_at DESC))[1] AS sqlstate,
       coalesce(jsonb_agg(evidence), '[]') AS kinds
FROM taken
"""
