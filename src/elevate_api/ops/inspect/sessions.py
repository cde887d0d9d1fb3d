"""Who is connected, what runs, who waits for whom."""

from elevate_api.ops.inspect.base import Look

ACTIVITY = Look(
    "activity",
    "Statements that run now, the longest first (the manual's 'Monitor active queries').",
    ("pid", "role", "application", "seconds", "waits_for", "query"),
    """
    SELECT pid, usename AS role, application_name AS application,
           extract(epoch FROM clock_timestamp() - query_start)::double precision AS seconds,
           nullif(concat_ws(' ', wait_event_type, wait_event), '') AS waits_for, left(query, 300) AS query
    FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()
    ORDER BY query_start
    """,
)

CONNECTIONS = Look(
    "connections",
    "Connections by role, application and state, against what the server has (the manual's 'Check connection usage').",
    ("role", "application", "state", "connections", "longest_seconds"),
    """
    SELECT usename AS role, application_name AS application, coalesce(state, 'hidden') AS state,
           count(*) AS connections,
           max(extract(epoch FROM clock_timestamp() - state_change))::double precision AS longest_seconds
    FROM pg_stat_activity WHERE backend_type = 'client backend'
    GROUP BY 1, 2, 3 ORDER BY connections DESC, 1, 2, 3
    """,
)

CAPACITY = Look(
    "capacity",
    "How many of the server's connections are taken.",
    ("used", "usable", "share"),
    """
    SELECT used, usable, used::double precision / usable AS share FROM (
      SELECT count(*) AS used,
             current_setting('max_connections')::integer
             - current_setting('superuser_reserved_connections')::integer AS usable
      FROM pg_stat_activity WHERE backend_type = 'client backend') c
    """,
)

ROLES = Look(
    "roles",
    "Roles that can connect or matter: what each may do, its connections and its limit.",
    ("role", "superuser", "bypasses_rls", "can_login", "may_create_roles", "connection_limit", "connections"),
    """
    SELECT rolname AS role, rolsuper AS superuser, rolbypassrls AS bypasses_rls, rolcanlogin AS can_login,
           rolcreaterole AS may_create_roles, nullif(rolconnlimit, -1) AS connection_limit,
           (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid = r.oid) AS connections
    FROM pg_roles r WHERE rolname !~ '^pg_' ORDER BY connections DESC, rolname
    """,
)

BLOCKING = Look(
    "blocking",
    "Who waits for a lock, for how long, and who holds it.",
    ("waiting_pid", "waiting_seconds", "waiting_query", "blocking_pid", "blocking_state", "blocking_query"),
    """
    SELECT w.pid AS waiting_pid, extract(epoch
           FROM clock_timestamp() - w.query_start)::double precision AS waiting_seconds,
           left(w.query, 200) AS waiting_query, b.pid AS blocking_pid, h.state AS blocking_state,
           left(h.query, 200) AS blocking_query
    FROM pg_stat_activity w
    CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS b (pid)
    LEFT JOIN pg_stat_activity h ON h.pid = b.pid
    WHERE w.wait_event_type = 'Lock' AND w.datname = current_database()
    ORDER BY w.query_start
    """,
)

LOCKS = Look(
    "locks",
    "Locks that somebody waits for, and strong ones that are held.",
    ("pid", "relation", "kind", "mode", "granted", "seconds", "query"),
    """
    SELECT l.pid, l.relation::regclass::text AS relation, l.locktype AS kind, l.mode, l.granted,
           extract(epoch FROM clock_timestamp() - a.xact_start)::double precision AS seconds, left(a.query,
           200) AS query
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE a.datname = current_database() AND l.pid <> pg_backend_pid()
      AND (NOT l.granted OR l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))
      AND l.locktype <> 'virtualxid' AND NOT (l.locktype = 'transactionid' AND l.granted)
    ORDER BY l.granted, a.xact_start
    """,
)
