"""How big things are, how well they are cached, what waits to be cleaned up."""

from elevate_api.ops.inspect.base import Look

SIZES = Look(
    "sizes",
    "Tables and views by size, and the database as a whole (the manual's 'Database size monitoring').",
    ("relation", "kind", "rows", "table", "indexes", "toast", "total", "total_bytes"),
    """
    SELECT relation, kind, rows, pg_size_pretty(t) AS "table", pg_size_pretty(i) AS indexes, pg_size_pretty(o) AS toast,
           pg_size_pretty(s) AS total, s AS total_bytes
    FROM (
      SELECT c.relname::text AS relation, CASE c.relkind WHEN 'm' THEN 'view' ELSE 'table' END AS kind,
             greatest(c.reltuples, 0)::bigint AS rows, pg_relation_size(c.oid) AS t, pg_indexes_size(c.oid) AS i,
             coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0) AS o, pg_total_relation_size(c.oid) AS s
      FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'm')
      UNION ALL
      SELECT current_database(), 'database', NULL, NULL, NULL, NULL, pg_database_size(current_database())
    ) sizes ORDER BY s DESC
    """,
)

CACHE = Look(
    "cache",
    "Share of reads that came from PostgreSQL's memory, in all and by table. Below 0.99 in all memory is short.",
    ("relation", "table_hits", "index_hits", "reads"),
    """
    SELECT coalesce(relname::text, 'all') AS relation,
           sum(heap_blks_hit)::double precision / nullif(sum(heap_blks_hit + heap_blks_read), 0) AS table_hits,
           sum(idx_blks_hit)::double precision / nullif(sum(idx_blks_hit + idx_blks_read), 0) AS index_hits,
           (sum(heap_blks_hit + heap_blks_read) + coalesce(sum(idx_blks_hit + idx_blks_read), 0))::bigint AS reads
    FROM pg_statio_user_tables WHERE schemaname = 'public'
    GROUP BY ROLLUP (relname) ORDER BY relname IS NULL DESC, reads DESC
    """,
)

VACUUM = Look(
    "vacuum",
    "Dead rows, when each table was vacuumed and analysed, and how old its oldest transaction is.",
    ("relation", "live", "dead", "dead_share", "vacuumed_at", "analyzed_at", "transaction_age"),
    """
    SELECT s.relname::text AS relation, n_live_tup AS live, n_dead_tup AS dead,
           n_dead_tup::double precision / nullif(n_live_tup + n_dead_tup, 0) AS dead_share,
           greatest(last_vacuum, last_autovacuum) AS vacuumed_at, greatest(last_analyze,
           last_autoanalyze) AS analyzed_at,
           age(c.relfrozenxid) AS transaction_age
    FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
    WHERE s.schemaname = 'public' ORDER BY n_dead_tup DESC, s.relname
    """,
)

BLOAT = Look(
    "bloat",
    "How much of each table and index is empty: an estimate from ANALYZE's figures, good to about ten per cent.",
    ("relation", "kind", "size", "empty", "empty_share", "empty_bytes"),
    """
    WITH widths AS (
      SELECT s.tablename, s.attname, (1 - s.null_frac) * s.avg_width AS width FROM pg_stats s
             WHERE s.schemaname = 'public'
    ), expected AS (
      -- 28 bytes of a row's head and pointer; 8 bytes of alignment are lost to every second row.
      SELECT c.oid, c.relname::text AS relation, 'table' AS kind, c.reltuples * (28 + 4 + sum(w.width)) AS bytes
      FROM pg_class c JOIN widths w ON w.tablename = c.relname
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'm') AND c.reltuples > 0
      GROUP BY c.oid
      UNION ALL
      -- 16 bytes of an entry's head, pointer and alignment; pages are filled to 90 per cent.
      SELECT i.oid, i.relname::text, 'index', i.reltuples * (16 + sum(w.width)) / 0.9
      FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
      JOIN pg_am m ON m.oid = i.relam AND m.amname = 'btree'
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (x.indkey)
      JOIN widths w ON w.tablename = c.relname AND w.attname = a.attname
      WHERE c.relnamespace = 'public'::regnamespace AND i.reltuples > 0 AND 0 <> ALL (x.indkey)
      GROUP BY i.oid
    ), measured AS (
      SELECT relation, kind, pg_relation_size(oid) AS bytes,
             greatest(0, pg_relation_size(oid) - 16384 - bytes)::bigint AS empty FROM expected
    )
    SELECT relation, kind, pg_size_pretty(bytes) AS size, pg_size_pretty(empty) AS empty,
           empty::double precision / nullif(bytes, 0) AS empty_share, empty AS empty_bytes
    FROM measured WHERE empty > 0 ORDER BY empty_bytes DESC
    """,
)
