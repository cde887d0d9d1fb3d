"""Which indexes are used, which are not worth their keep, which are missing."""

from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.ops.inspect.base import Look, Row
from elevate_api.ops.inspect.storage import BLOAT

COLUMNS = ("finding", "table", "index", "size", "scans", "detail")
BLOATED_SHARE, BLOATED_BYTES = 0.5, 1_048_576

USAGE = Look(
    "usage",
    "Every index and how often it was used (the manual's 'Monitor index usage').",
    ("table", "index", "scans", "rows_read", "rows_fetched", "size"),
    """
    SELECT relname::text AS "table", indexrelname::text AS index, idx_scan AS scans, idx_tup_read AS rows_read,
           idx_tup_fetch AS rows_fetched, pg_size_pretty(pg_relation_size(indexrelid)) AS size
    FROM pg_stat_user_indexes WHERE schemaname = 'public' ORDER BY idx_scan DESC, 1, 2
    """,
)

_FINDINGS = Look(
    "indexes",
    "Indexes that are invalid, unused, duplicate or bloated, and places where one seems to be missing.",
    COLUMNS,
    """
    WITH indexes AS (
      SELECT x.*, i.relname::text AS name, c.relname::text AS "table", pg_relation_size(x.indexrelid) AS bytes,
             s.idx_scan AS scans, EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid) AS constrains
      FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
      LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = x.indexrelid
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'm')
    )
    SELECT 'invalid' AS finding, "table", name AS index, pg_size_pretty(bytes) AS size, scans,
           'a concurrent build was interrupted: elevate ops reindex ' || name AS detail
    FROM indexes WHERE NOT indisvalid
    UNION ALL
    SELECT 'duplicate', a."table", a.name, pg_size_pretty(a.bytes), a.scans, 'the same as ' || b.name
    FROM indexes a JOIN indexes b ON b.indrelid = a.indrelid AND b.indexrelid <> a.indexrelid
      AND b.indkey::text = a.indkey::text AND b.indclass::text = a.indclass::text
        AND b.indoption::text = a.indoption::text
      AND coalesce(pg_get_expr(b.indexprs, b.indrelid), '') = coalesce(pg_get_expr(a.indexprs, a.indrelid), '')
      AND coalesce(pg_get_expr(b.indpred, b.indrelid), '') = coalesce(pg_get_expr(a.indpred, a.indrelid), '')
    WHERE NOT a.indisunique AND (b.indisunique OR b.indexrelid < a.indexrelid)
    UNION ALL
    SELECT 'unused', "table", name, pg_size_pretty(bytes), scans, 'no scan since the statistics began'
    FROM indexes WHERE scans = 0 AND NOT indisunique AND NOT constrains AND indisvalid AND bytes >= :least_bytes
    UNION ALL
    SELECT 'missing', c.relname::text, NULL, NULL, NULL,
           'foreign key ' || k.conname || ' (' || string_agg(a.attname, ', ' ORDER BY u.position) || ') has no index'
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_class r ON r.oid = k.confrelid AND r.reltuples >= :least_rows  -- few values: an index would not be used
    CROSS JOIN LATERAL unnest(k.conkey) WITH ORDINALITY AS u (number, position)
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number
    WHERE k.contype = 'f' AND c.relnamespace = 'public'::regnamespace AND c.reltuples >= :least_rows
      AND NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = k.conrelid AND x.indkey[0] = k.conkey[1])
    GROUP BY c.relname, k.conname
    UNION ALL
    SELECT 'missing', relname::text, NULL, NULL, seq_scan,
           seq_scan || ' whole reads of ' || n_live_tup || ' rows: see elevate ops outliers'
    FROM pg_stat_user_tables
    WHERE schemaname = 'public' AND n_live_tup >= :least_rows AND seq_scan > 100 AND seq_scan > coalesce(idx_scan, 0)
    ORDER BY finding, 2, 3
    """,
    {"least_bytes": 1_048_576, "least_rows": 10_000},
)

STATISTICS = Look(
    "columns",
    "Columns whose values are many and scattered: candidates for an index (the manual's 'Index Recommendations').",
    ("table", "column", "distinct_values", "correlation"),
    """
    SELECT tablename::text AS "table", attname::text AS "column",
           n_distinct::double precision AS distinct_values, correlation::double precision AS correlation
    FROM pg_stats WHERE schemaname = 'public' AND (n_distinct > 100 OR n_distinct < -0.1) AND abs(correlation) < 0.1
    ORDER BY 1, 2
    """,
)


async def findings(session: AsyncSession, *, least_bytes: int = 1_048_576, least_rows: int = 10_000) -> list[Row]:
    """`least_bytes`, `least_rows`: small indexes and tables are not worth a word."""
    found = await _FINDINGS.rows(session, least_bytes=least_bytes, least_rows=least_rows)
    bloated = [
        {
            "finding": "bloated", "table": None, "index": row["relation"], "size": row["size"], "scans": None,
            "detail": f"about {row['empty']} of it is empty: elevate ops reindex {row['relation']}",
        }
        for row in await BLOAT.rows(session)
        if row["kind"] == "index" and row["empty_share"] > BLOATED_SHARE and row["empty_bytes"] >= BLOATED_BYTES
    ]  # fmt: skip
    return [*found, *bloated]
