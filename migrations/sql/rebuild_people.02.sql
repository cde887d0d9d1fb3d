-- drop: DROP FUNCTION rebuild_people(timestamptz, text, text)
-- A part of rebuild_totals: a new table of everybody's totals without its indexes, from the ledger's rows that
-- `counted` names and from rebuilt_submissions; answers the people. The window is counted apart: it is a small part of
-- the ledger, which an index finds, and every sum less of all of it keeps the table of sums in memory longer.
-- Two processors take a half of the people each, below and from `middle`, and finish it alone: sums that each makes of
-- everybody would be handed over and summed again by one. Each reads the whole ledger for it, which costs less. So
-- that the planner does this and shares no scan, no table is large enough for that; two processes, as it reckons none
-- for the one that gathers, which takes a half all the same.
-- Settings: room on a page so that most updates stay on it, and a vacuum long before a fifth of it is dead.
CREATE OR REPLACE FUNCTION rebuild_people(since timestamptz, counted text, middle text) RETURNS bigint
LANGUAGE plpgsql
SET max_parallel_workers_per_gather = 2
SET min_parallel_table_scan_size = '1TB'
SET min_parallel_index_scan_size = '1TB'
AS $$
DECLARE
  people bigint;
  half CONSTANT text := $query$
    SELECT u.id AS user_id, u.role = 'PARTICIPANT' AND u.erased_at IS NULL AND u.show_on_leaderboard AS on_board,
           u.cohort, u.school, coalesce(l.points, 0) AS total_points, coalesce(l.entries, 0) AS entries, l.reached_at,
           coalesce(w.points, 0) AS points_30d, coalesce(w.entries, 0) AS entries_30d,
           coalesce(l.learn, 0)::integer AS learn_points, coalesce(l.explore, 0)::integer AS explore_points,
           coalesce(l.amplify, 0)::integer AS amplify_points, coalesce(l.present, 0)::integer AS present_points,
           (coalesce(l.points, 0) - coalesce(l.learn, 0) - coalesce(l.explore, 0) - coalesce(l.amplify, 0)
             - coalesce(l.present, 0))::integer AS shine_points,
           coalesce(s.submissions, 0)::integer AS submissions, coalesce(s.approved, 0)::integer AS approved,
           coalesce(s.pending, 0)::integer AS pending, coalesce(s.stages, 0)::smallint AS stages_submitted
    FROM users u
    LEFT JOIN (
      SELECT user_id, sum(delta_points) AS points, count(*) AS entries, max(created_at) AS reached_at,
             sum(delta_points) FILTER (WHERE activity_code = 'LEARN') AS learn,
             sum(delta_points) FILTER (WHERE activity_code = 'EXPLORE') AS explore,
             sum(delta_points) FILTER (WHERE activity_code = 'AMPLIFY') AS amplify,
             sum(delta_points) FILTER (WHERE activity_code = 'PRESENT') AS present
      FROM points_ledger WHERE user_id %3$s AND %2$s GROUP BY user_id
    ) l ON l.user_id = u.id
    LEFT JOIN (
      SELECT user_id, sum(delta_points) AS points, count(*) AS entries
      FROM points_ledger WHERE created_at > %1$L AND user_id %3$s AND %2$s GROUP BY user_id
    ) w ON w.user_id = u.id
    LEFT JOIN (SELECT * FROM rebuilt_submissions WHERE kind = 'person' AND user_id %3$s) s ON s.user_id = u.id
    WHERE u.id %3$s AND (l.user_id IS NOT NULL OR s.user_id IS NOT NULL)
  $query$;
BEGIN
  EXECUTE format(
    'CREATE TABLE user_totals_fresh
     WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05) AS
     %s UNION ALL %s',
    format(half, since, counted, format('< %L', middle)), format(half, since, counted, format('>= %L', middle)));
  GET DIAGNOSTICS people = ROW_COUNT;
  ALTER TABLE user_totals_fresh
    ALTER user_id SET NOT NULL, ALTER on_board SET NOT NULL,
    ALTER total_points SET NOT NULL, ALTER total_points SET DEFAULT 0,
    ALTER entries SET NOT NULL, ALTER entries SET DEFAULT 0,
    ALTER points_30d SET NOT NULL, ALTER points_30d SET DEFAULT 0,
    ALTER entries_30d SET NOT NULL, ALTER entries_30d SET DEFAULT 0,
    ALTER learn_points SET NOT NULL, ALTER learn_points SET DEFAULT 0,
    ALTER explore_points SET NOT NULL, ALTER explore_points SET DEFAULT 0,
    ALTER amplify_points SET NOT NULL, ALTER amplify_points SET DEFAULT 0,
    ALTER present_points SET NOT NULL, ALTER present_points SET DEFAULT 0,
    ALTER shine_points SET NOT NULL, ALTER shine_points SET DEFAULT 0,
    ALTER submissions SET NOT NULL, ALTER submissions SET DEFAULT 0,
    ALTER approved SET NOT NULL, ALTER approved SET DEFAULT 0,
    ALTER pending SET NOT NULL, ALTER pending SET DEFAULT 0,
    ALTER stages_submitted SET NOT NULL, ALTER stages_submitted SET DEFAULT 0;
  RETURN people;
END
$$
