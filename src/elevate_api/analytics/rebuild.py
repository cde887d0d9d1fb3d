"""The manual's "drop and recreate": a view made anew from the migrations' own definition, with its indexes."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.analytics.queries import VIEWS, ViewFreshness, freshness
from elevate_api.kit.sqlfiles import statements

# The migrations' lock: nobody migrates meanwhile. Readers of the view wait for the end, so it must not wait for long.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('elevate:migrate', 0))"
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '10s'"

_STANDING = text("""
    SELECT v.view, c.relispopulated AS populated, pg_size_pretty(pg_total_relation_size(c.oid)) AS size,
           (SELECT count(*) FROM pg_index x WHERE x.indrelid = c.oid AND x.indisvalid) AS indexes
    FROM unnest(CAST(:views AS text[])) WITH ORDINALITY AS v (view, position)
    LEFT JOIN pg_class c ON c.relname = v.view AND c.relkind = 'm' AND c.relnamespace = 'public'::regnamespace
    ORDER BY v.position
""")


async def standing(session: AsyncSession) -> list[dict[str, Any]]:
    """Of every view: state (filled, empty, missing), indexes, size, and the freshness of `queries.freshness`."""
    fresh = {one.view: one for one in await freshness(session)}
    rows = await session.execute(_STANDING, {"views": list(VIEWS)})
    return [_described(dict(row), fresh[row["view"]]) for row in rows.mappings()]


def _described(row: dict[str, Any], fresh: ViewFreshness) -> dict[str, Any]:
    state = {None: "missing", False: "empty", True: "filled"}[row.pop("populated")]
    known = ("rows", "refreshed_at", "age_seconds", "last_ok")
    return {**row, "state": state, **{name: getattr(fresh, name) for name in known}}


async def rebuild(session: AsyncSession, view: str) -> None:
    """Drop the view where it is and create it, filled, in this transaction; the caller puts the grants back.

    Run it as the owner. What somebody else built on the view makes it fail: nothing but the view is dropped. Raises
    ValueError for an unknown view.
    """
    if view not in VIEWS:
        raise ValueError(f"no such analytics view: {view}")
    connection = await session.connection()
    for statement in (_LOCK, _LOCK_TIMEOUT, f"DROP MATERIALIZED VIEW IF EXISTS public.{view}", *statements(view)):
        await connection.exec_driver_sql(statement)
