"""Which statements are slow, now and over time. pg_stat_statements is used where it can be read."""

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.ops.inspect.base import Look, Row

SLOW_SECONDS = 10.0
"""The manual's warning threshold."""

SLOW = Look(
    "slow",
    "Statements that take longer than --seconds: running now, and on average where pg_stat_statements is installed.",
    ("when", "pid", "calls", "seconds", "query"),
    """
    SELECT 'now' AS "when", pid, NULL::bigint AS calls,
           extract(epoch FROM clock_timestamp() - query_start)::double precision AS seconds, left(query, 300) AS query
    FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()
      AND query_start < clock_timestamp() - make_interval(secs => :seconds)
    ORDER BY query_start
    """,
    {"seconds": SLOW_SECONDS},
)

OUTLIERS = ("calls", "total_seconds", "share", "mean_seconds", "rows", "cache_hits", "query")

_SLOW_BEFORE = """
    SELECT 'on average' AS "when", NULL::integer AS pid, calls, mean_exec_time / 1000 AS seconds, left(query,
           300) AS query
    FROM {statements} s JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()
    WHERE mean_exec_time > 1000 * :seconds ORDER BY mean_exec_time DESC LIMIT 20
"""
_OUTLIERS = """
    SELECT calls, total_exec_time / 1000 AS total_seconds,
           total_exec_time / nullif(sum(total_exec_time) OVER (), 0) AS share, mean_exec_time / 1000 AS mean_seconds,
           rows, shared_blks_hit::double precision / nullif(shared_blks_hit + shared_blks_read, 0) AS cache_hits,
           left(query, 300) AS query
    FROM {statements} s JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()
    ORDER BY total_exec_time DESC LIMIT :limit
"""
_WHERE = text("""
    SELECT quote_ident(n.nspname) || '.pg_stat_statements' FROM pg_extension e
           JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'pg_stat_statements'
""")


async def slow(session: AsyncSession, seconds: float = SLOW_SECONDS) -> list[Row]:
    now = await SLOW.rows(session, seconds=seconds)
    before = await _history(session, _SLOW_BEFORE, seconds=seconds)
    return now + (before or [])


async def outliers(session: AsyncSession, limit: int = 20) -> list[Row] | None:
    """Statements by the time that they took in all; None where pg_stat_statements is not there or not loaded."""
    return await _history(session, _OUTLIERS, limit=limit)


async def _history(session: AsyncSession, statement: str, **parameters: float) -> list[Row] | None:
    where = await session.scalar(_WHERE)
    if where is None:
        return None
    try:
        async with session.begin_nested():
            found = await session.execute(text(statement.format(statements=where)), parameters)
            return [dict(row) for row in found.mappings()]
    except DBAPIError:
        return None  # created, but not in shared_preload_libraries
