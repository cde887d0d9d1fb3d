"""Ending connections, with exceptions: refreshes, backups and ourselves are never ended."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from elevate_api.kit.db import Database
from elevate_api.ops.inspect.base import Look, Row

COLUMNS = ("pid", "role", "application", "state", "seconds", "query")

_CANDIDATES = """
    SELECT pid, usename AS role, application_name AS application, state,
           extract(epoch FROM clock_timestamp() - {since})::double precision AS seconds, left(query, 200) AS query
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
      AND query !~* '(refresh\\s+materialized\\s+view|refresh_analytics_view|refresh_all_analytics)'
      AND query !~* '^\\s*copy\\s.*\\sto\\s+stdout'
      AND application_name !~* '^(pg_dump|pg_dumpall|pg_restore|pg_basebackup|pg_receivewal|elevate-backup)'
      AND {chosen}
    ORDER BY {since}
"""
LONG_RUNNING = Look(
    "long running", "Statements that run for longer than --minutes.", COLUMNS,
    _CANDIDATES.format(since="query_start", chosen="""state = 'active'
      AND query_start < clock_timestamp() - make_interval(secs => :seconds)"""),
)  # fmt: skip
NAMED = Look(
    "named", "The statement of one connection.", COLUMNS,
    _CANDIDATES.format(since="query_start", chosen="pid = :pid"),
)  # fmt: skip
IDLE = Look(
    "idle", "Connections that do nothing for longer than --minutes, inside a transaction or not.", COLUMNS,
    _CANDIDATES.format(since="state_change", chosen="""state LIKE 'idle%'
      AND state_change < clock_timestamp() - make_interval(secs => :seconds)"""),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ended:
    """`outcome`: ended, gone (it had ended by itself), or refused (another role's, and we may not)."""

    pid: int
    outcome: str


async def end(databases: Sequence[Database], rows: Sequence[Row], *, cancel: bool = False) -> list[Ended]:
    """End each connection (or with `cancel` only its statement).

    A role may end its own connections: `databases` are the addresses to try in turn, the owner's and the service's.
    The connection is ended only if it still does what was shown.
    """
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(database.engine.connect()) for database in databases]
        return [Ended(row["pid"], await _end(connections, row, cancel)) for row in rows]


async def _end(connections: Sequence[AsyncConnection], row: Row, cancel: bool) -> str:
    function = "pg_cancel_backend" if cancel else "pg_terminate_backend"
    statement = text(f"""
        SELECT {function}(pid) FROM pg_stat_activity
        WHERE pid = :pid AND state IS NOT DISTINCT FROM :state AND left(query, 200) = :query
    """)
    parameters = {"pid": row["pid"], "state": row["state"], "query": row["query"]}
    outcome = "refused"
    for connection in connections:
        try:
            done = await connection.scalar(statement, parameters)
        except DBAPIError:
            await connection.rollback()
            continue
        await connection.rollback()
        if done:
            return "ended"
        outcome = "gone"
    return outcome
