-- drop: DROP FUNCTION rebuild_submissions(date, text, text)
-- A part of rebuild_totals: counts the submissions by person, by stage and status, and by day, into a table that
-- rebuild_totals drops. One statement, so that one snapshot is that of everything; it says which, in a row of its own,
-- and the notes that it saw are dropped. No temporary table: those are read by one processor only.
-- Two processors take part after part (rebuild_people): the people in two halves, below and from `middle`, stages and
-- statuses, and each day. The planner does so only while all parts have the same types, spelled out here.
CREATE OR REPLACE FUNCTION rebuild_submissions(first_day date, zone text, middle text) RETURNS void
LANGUAGE plpgsql
SET max_parallel_workers_per_gather = 2
SET min_parallel_table_scan_size = '1TB'
SET min_parallel_index_scan_size = '1TB'
AS $$
DECLARE
  seen pg_snapshot;
  tomorrow CONSTANT date := program_today(zone) + 1;
  half CONSTANT text := $query$
    SELECT 'person' AS kind, user_id, NULL::text AS activity_code, NULL::text AS status, NULL::date AS day,
           count(*) AS submissions, NULL::bigint AS people, count(*) FILTER (WHERE status = 'APPROVED') AS approved,
           count(*) FILTER (WHERE status = 'PENDING') AS pending,
           bit_or(CASE activity_code WHEN 'AMPLIFY' THEN 4 WHEN 'EXPLORE' THEN 2 WHEN 'LEARN' THEN 1
                  WHEN 'PRESENT' THEN 8 ELSE 16 END) AS stages,
           NULL::bigint AS peers, NULL::bigint AS students, NULL::bigint AS reviews, NULL::interval AS waited,
           NULL::pg_snapshot AS snapshot
    FROM submissions WHERE user_id %s GROUP BY user_id
  $query$;
  -- An index finds what was made on a day, and who made it is told apart among the people of that day alone.
  made CONSTANT text := $query$
    SELECT 'made', NULL::text, activity_code, NULL::text, day, sum(times)::bigint, count(*), NULL::bigint, NULL::bigint,
           NULL::integer, NULL::bigint, NULL::bigint, NULL::bigint, NULL::interval, NULL::pg_snapshot
    FROM (
      SELECT activity_code, %s AS day, user_id, count(*) AS times FROM submissions WHERE %s GROUP BY 1, 2, 3
    ) each_once GROUP BY 3, 5
  $query$;
  -- Nothing is of tomorrow and later but by an operator's hand.
  days CONSTANT text := format(made, format('(created_at AT TIME ZONE %L)::date', zone),
                               format('created_at >= %L', tomorrow::timestamp AT TIME ZONE zone)) || (
    SELECT string_agg(' UNION ALL ' || format(made, format('%L::date', day), format(
      'created_at >= %L AND created_at < %L', day AT TIME ZONE zone, (day + interval '1 day') AT TIME ZONE zone)), '')
    FROM generate_series(first_day::timestamp, tomorrow - 1, interval '1 day') AS day);
BEGIN
  -- A day is asked for only where it is kept: naming it costs more than counting the row. The offset keeps the planner
  -- from expecting as many days as there are moments; as a number it would be one more thing to compute, and not be
  -- left to another processor.
  EXECUTE format($query$
    CREATE UNLOGGED TABLE rebuilt_submissions AS
    %3$s UNION ALL %4$s UNION ALL %5$s
    UNION ALL
    SELECT 'reviewed', NULL::text, activity_code, status, day, count(*), NULL::bigint, NULL::bigint, NULL::bigint,
           NULL::integer, sum(peers_trained), sum(students_trained), count(reviewed_at), sum(waited), NULL::pg_snapshot
    FROM (
      SELECT activity_code, status, peers_trained, students_trained, reviewed_at, reviewed_at - created_at AS waited,
             CASE WHEN reviewed_at >= %1$L THEN (reviewed_at AT TIME ZONE %2$L)::date END AS day
      FROM submissions OFFSET '0'
    ) each GROUP BY 3, 4, 5
    UNION ALL
    SELECT 'snapshot', NULL::text, NULL::text, NULL::text, NULL::date, NULL::bigint, NULL::bigint, NULL::bigint,
           NULL::bigint, NULL::integer, NULL::bigint, NULL::bigint, NULL::bigint, NULL::interval, pg_current_snapshot()
  $query$, first_day::timestamp AT TIME ZONE zone, zone, format(half, format('< %L', middle)),
    format(half, format('>= %L', middle)), days);
  SELECT snapshot INTO seen FROM rebuilt_submissions WHERE kind = 'snapshot';
  DELETE FROM submission_changes
  WHERE pg_visible_in_snapshot(stamp::text::xid8, seen) OR stamp = pg_current_xact_id_if_assigned()::text::bigint;
END
$$
