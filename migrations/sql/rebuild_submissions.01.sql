-- drop: DROP FUNCTION rebuild_submissions(date, text)
-- A part of rebuild_totals: counts the submissions by person, by stage and status, and by day, into a table that lives
-- until the transaction ends. One statement, so that one snapshot is that of everything; it says which, in a row of its
-- own, and the notes that it saw are dropped.
CREATE OR REPLACE FUNCTION rebuild_submissions(first_day date, zone text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  seen pg_snapshot;
BEGIN
  DROP TABLE IF EXISTS pg_temp.rebuilt_submissions;
  -- A day is asked for only where it is kept: naming it costs more than counting the row. The union with nothing keeps
  -- the planner from expecting as many days as there are moments, for which it would leave a processor idle.
  EXECUTE format($query$
    CREATE TEMP TABLE rebuilt_submissions ON COMMIT DROP AS
    SELECT 'person' AS kind, user_id, NULL AS activity_code, NULL AS status, NULL::date AS day,
           count(*) AS submissions, NULL::bigint AS people, count(*) FILTER (WHERE status = 'APPROVED') AS approved,
           count(*) FILTER (WHERE status = 'PENDING') AS pending,
           bit_or(CASE activity_code WHEN 'LEARN' THEN 1 WHEN 'EXPLORE' THEN 2 WHEN 'AMPLIFY' THEN 4
                  WHEN 'PRESENT' THEN 8 ELSE 16 END) AS stages,
           NULL::bigint AS peers, NULL::bigint AS students, NULL::bigint AS reviews, NULL::interval AS waited,
           NULL::pg_snapshot AS snapshot
    FROM submissions GROUP BY user_id
    UNION ALL
    SELECT 'reviewed', NULL, activity_code, status, day, count(*), NULL, NULL, NULL, NULL, sum(peers_trained),
           sum(students_trained), count(reviewed_at), sum(waited), NULL
    FROM (
      SELECT activity_code, status, peers_trained, students_trained, reviewed_at, reviewed_at - created_at AS waited,
             CASE WHEN reviewed_at >= %1$L THEN (reviewed_at AT TIME ZONE %2$L)::date END AS day
      FROM submissions
      UNION ALL
      SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE false
    ) each GROUP BY 3, 4, 5
    UNION ALL
    SELECT 'made', NULL, activity_code, NULL, day, sum(times), count(*), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM (
      SELECT activity_code, (created_at AT TIME ZONE %2$L)::date AS day, user_id, count(*) AS times
      FROM submissions WHERE created_at >= %1$L GROUP BY 1, 2, 3
    ) each_once GROUP BY 3, 5
    UNION ALL
    SELECT 'snapshot', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, pg_current_snapshot()
  $query$, first_day::timestamp AT TIME ZONE zone, zone);
  SELECT snapshot INTO seen FROM rebuilt_submissions WHERE kind = 'snapshot';
  DELETE FROM submission_changes
  WHERE pg_visible_in_snapshot(stamp::text::xid8, seen) OR stamp = pg_current_xact_id_if_assigned()::text::bigint;
END
$$
