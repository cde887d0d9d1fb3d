# ruff: noqa: E501 - sums that are read column by column
"""The other opinion about the totals: plain sums over the raw tables, and a full rebuild."""

from tests.support.sql import Connection

KEYS = {
    "user_totals": "user_id",
    "score_histogram": "period, points",
    "stage_totals": "activity_code",
    "day_totals": "day, activity_code",
}

# Every column of the totals as one would write it down, without a thought of cost.
PLAIN = {
    "user_totals": """
        SELECT u.id AS user_id, u.role = 'PARTICIPANT' AND u.erased_at IS NULL AND u.show_on_leaderboard AS on_board,
               u.cohort, u.school,
               coalesce((SELECT sum(delta_points) FROM points_ledger l WHERE l.user_id = u.id), 0)::bigint AS total_points,
               (SELECT count(*) FROM points_ledger l WHERE l.user_id = u.id) AS entries,
               (SELECT max(created_at) FROM points_ledger l WHERE l.user_id = u.id) AS reached_at,
               coalesce((SELECT sum(delta_points) FROM points_ledger l
                         WHERE l.user_id = u.id AND l.created_at > s.swept_to), 0)::bigint AS points_30d,
               (SELECT count(*) FROM points_ledger l WHERE l.user_id = u.id AND l.created_at > s.swept_to) AS entries_30d,
               {stage_points},
               (SELECT count(*) FROM submissions b WHERE b.user_id = u.id)::integer AS submissions,
               (SELECT count(*) FROM submissions b WHERE b.user_id = u.id AND status = 'APPROVED')::integer AS approved,
               (SELECT count(*) FROM submissions b WHERE b.user_id = u.id AND status = 'PENDING')::integer AS pending,
               ({stage_bits})::smallint AS stages_submitted
        FROM users u, totals_state s
        WHERE EXISTS (SELECT FROM points_ledger l WHERE l.user_id = u.id)
           OR EXISTS (SELECT FROM submissions b WHERE b.user_id = u.id)""",
    "score_histogram": """
        SELECT 'all' AS period, total_points AS points, count(*) AS people FROM user_totals
        WHERE on_board AND total_points > 0 GROUP BY total_points
        UNION ALL
        SELECT '30d', points_30d, count(*) FROM user_totals WHERE on_board AND points_30d > 0 GROUP BY points_30d""",
    "stage_totals": """
        SELECT a.code AS activity_code,
          coalesce((SELECT sum(delta_points) FROM points_ledger l WHERE l.activity_code = a.code), 0)::bigint AS points,
          (SELECT count(*) FROM points_ledger l WHERE l.activity_code = a.code) AS entries,
          (SELECT count(*) FROM (SELECT FROM points_ledger l WHERE l.activity_code = a.code
                                 GROUP BY user_id HAVING sum(delta_points) > 0) p) AS people_with_points,
          b.*,
          CASE a.code WHEN 'LEARN' THEN
            (SELECT count(DISTINCT (user_id, tag)) FROM kajabi_events WHERE status = 'PROCESSED') ELSE 0 END AS micro_credentials
        FROM (VALUES ('LEARN'), ('EXPLORE'), ('AMPLIFY'), ('PRESENT'), ('SHINE')) a (code)
        CROSS JOIN LATERAL (
          SELECT count(*) AS submissions, count(*) FILTER (WHERE status = 'PENDING') AS pending,
                 count(*) FILTER (WHERE status = 'APPROVED') AS approved, count(*) FILTER (WHERE status = 'REJECTED') AS rejected,
                 count(*) FILTER (WHERE status = 'WITHDRAWN') AS withdrawn, count(*) FILTER (WHERE status = 'REVOKED') AS revoked,
                 count(DISTINCT user_id) AS participants, count(reviewed_at) AS reviews,
                 coalesce(sum(extract(epoch FROM reviewed_at - created_at)), 0) AS review_seconds,
                 coalesce(sum(peers_trained) FILTER (WHERE status = 'APPROVED'), 0)::bigint AS peers_reached,
                 coalesce(sum(students_trained) FILTER (WHERE status = 'APPROVED'), 0)::bigint AS students_reached
          FROM submissions b WHERE b.activity_code = a.code) b""",
    "day_totals": """
        SELECT day, activity_code, sum(submissions)::bigint AS submissions, sum(approved)::bigint AS approved,
               sum(rejected)::bigint AS rejected, sum(points)::bigint AS points, sum(entries)::bigint AS entries,
               sum(people)::bigint AS people
        FROM (
          SELECT (created_at AT TIME ZONE s.timezone)::date AS day, activity_code, count(*) AS submissions, 0 AS approved,
                 0 AS rejected, 0 AS points, 0 AS entries, count(DISTINCT user_id) AS people
          FROM submissions, totals_state s GROUP BY 1, 2
          UNION ALL
          SELECT (reviewed_at AT TIME ZONE s.timezone)::date, activity_code, 0, count(*) FILTER (WHERE status <> 'REJECTED'),
                 count(*) FILTER (WHERE status = 'REJECTED'), 0, 0, 0
          FROM submissions, totals_state s WHERE reviewed_at IS NOT NULL GROUP BY 1, 2
          UNION ALL
          SELECT (created_at AT TIME ZONE s.timezone)::date, activity_code, 0, 0, 0, sum(delta_points), count(*), 0
          FROM points_ledger, totals_state s GROUP BY 1, 2
        ) parts, totals_state s WHERE day >= s.first_day GROUP BY 1, 2""",
}
_STAGES = ("learn", "explore", "amplify", "present", "shine")
_POINTS = ", ".join(
    f"coalesce((SELECT sum(delta_points) FROM points_ledger l WHERE l.user_id = u.id"
    f" AND l.activity_code = '{stage.upper()}'), 0)::integer AS {stage}_points"
    for stage in _STAGES
)
_BITS = " + ".join(
    f"CASE WHEN EXISTS (SELECT FROM submissions b WHERE b.user_id = u.id AND b.activity_code = '{stage.upper()}')"
    f" THEN {1 << place} ELSE 0 END"
    for place, stage in enumerate(_STAGES)
)
PLAIN["user_totals"] = PLAIN["user_totals"].format(stage_points=_POINTS, stage_bits=_BITS)


async def rows(connection: Connection, table: str, source: str | None = None) -> list[str]:
    """Rows as text, in the order of their key; amounts without trailing zeros."""
    found = await connection.fetch(f"SELECT * FROM ({source or f'SELECT * FROM {table}'}) t ORDER BY {KEYS[table]}")
    said = [sorted((name, str(value.normalize() if hasattr(value, "normalize") else value)) for name, value in row.items())
            for row in found]  # fmt: skip
    # A stage in which nothing has happened may have a row or none.
    return [
        str(row) for row in said if not (table == "stage_totals" and {value for _, value in row[1:]} <= {"0", "0E+0"})
    ]


async def assert_exact(connection: Connection) -> None:
    """Fold, then compare with plain sums and with a rebuild, row by row; in one transaction: one moment for all.

    Call it while nobody writes.
    """
    async with connection.transaction():
        outcome = await connection.fetchval("SELECT outcome FROM fold_totals(true)")
        assert outcome in {"folded", "unchanged", "rebuilt"}
        folded = {table: await rows(connection, table) for table in KEYS}
        for table, source in PLAIN.items():
            assert folded[table] == await rows(connection, table, source), f"{table}: folded, and plain sums"
        await connection.execute("SELECT rebuild_totals('compared')")
        for table in KEYS:
            assert folded[table] == await rows(connection, table), f"{table}: folded, and rebuilt"
    leftovers = "SELECT (SELECT count(*) FROM submission_changes) + (SELECT count(*) FROM people_changes)"
    assert await connection.fetchval(leftovers) == 0
