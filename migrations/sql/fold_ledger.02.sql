-- drop: DROP FUNCTION fold_ledger(totals_state)
-- Folds the ledger rows that are visible now and were not at the last fold, and moves the window of 30 x 24 hours.
-- New is what was written by a transaction that had not ended at the last fold: one that is at or above its snapshot's
-- xmax, or in its list of open ones. The new snapshot is that of this very statement, so no row is counted twice or
-- missed, however long its transaction takes, and a long one holds nobody else's rows back.
-- A transaction that folds is open itself: what it has written is counted by a later fold, after its end. Its rows could
-- be told apart by command (cmin), but a crash forgets commands: rows that are replayed have none.
-- Window: points_30d counts the folded rows with created_at > swept_to. Moving it takes back those that were counted
-- and are now outside; a new row is counted in it only if it is inside.
CREATE OR REPLACE FUNCTION fold_ledger(state totals_state) RETURNS totals_state
LANGUAGE plpgsql
-- Planned once a connection: planning takes longer than folding a few rows. Few or many, all is found by indexes.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET max_parallel_workers_per_gather = 0
AS $$
DECLARE
  edge CONSTANT bigint := state.base + pg_snapshot_xmax(state.folded::pg_snapshot)::text::bigint;
  open CONSTANT bigint[] := array_remove(state.own_stamp || ARRAY(
    SELECT state.base + xid::text::bigint FROM pg_snapshot_xip(state.folded::pg_snapshot) AS xid), NULL);
  mine CONSTANT bigint := coalesce(state.base + pg_current_xact_id_if_assigned()::text::bigint, -1);
  since CONSTANT timestamptz := greatest(state.swept_to, now() - interval '720 hours');
  zone CONSTANT text := state.timezone;
  done record;
BEGIN
  IF NOT EXISTS (SELECT FROM points_ledger WHERE stamp >= edge AND stamp <> mine)
     AND (open = '{}' OR NOT EXISTS (SELECT FROM points_ledger WHERE stamp = ANY (open) AND stamp <> mine))
     AND (SELECT count(*) FROM points_ledger WHERE created_at > state.swept_to AND created_at <= since) = 0 THEN
    state.swept_to := since;
    RETURN state;
  END IF;

  WITH fresh AS MATERIALIZED (
    SELECT user_id, activity_code, delta_points, created_at
    FROM points_ledger WHERE (stamp >= edge OR stamp = ANY (open)) AND stamp <> mine
  ), leaving AS MATERIALIZED (
    -- The sum keeps the index of stamps out of it, which would be read whole: nearly all rows are older.
    SELECT user_id, delta_points FROM points_ledger
    WHERE created_at > state.swept_to AND created_at <= since
      AND NOT (stamp + 0 >= edge OR stamp + 0 = ANY (open))
  ), sums AS (
    SELECT user_id, sum(points) AS points, sum(entries) AS entries, max(created_at) AS reached_at,
           sum(points_30d) AS points_30d, sum(entries_30d) AS entries_30d,
           coalesce(sum(points) FILTER (WHERE activity_code = 'LEARN'), 0) AS learn,
           coalesce(sum(points) FILTER (WHERE activity_code = 'EXPLORE'), 0) AS explore,
           coalesce(sum(points) FILTER (WHERE activity_code = 'AMPLIFY'), 0) AS amplify,
           coalesce(sum(points) FILTER (WHERE activity_code = 'PRESENT'), 0) AS present,
           coalesce(sum(points) FILTER (WHERE activity_code = 'SHINE'), 0) AS shine
    FROM (
      SELECT user_id, activity_code, delta_points AS points, 1 AS entries, created_at,
             CASE WHEN created_at > since THEN delta_points ELSE 0 END AS points_30d,
             (created_at > since)::integer AS entries_30d
      FROM fresh
      UNION ALL
      SELECT user_id, NULL, 0, 0, NULL, -delta_points, -1 FROM leaving
    ) parts GROUP BY user_id
  ), moved AS MATERIALIZED (
    SELECT s.*, t.user_id IS NULL AS is_new, coalesce(t.cohort, u.cohort) AS cohort, coalesce(t.school, u.school) AS school,
           coalesce(t.on_board, u.role = 'PARTICIPANT' AND u.erased_at IS NULL AND u.show_on_leaderboard) AS on_board,
           coalesce(t.total_points, 0) AS points_before, coalesce(t.total_points, 0) + s.points AS points_after,
           coalesce(t.points_30d, 0) AS points_30d_before, coalesce(t.points_30d, 0) + s.points_30d AS points_30d_after,
           coalesce(t.learn_points, 0) AS learn_before, coalesce(t.explore_points, 0) AS explore_before,
           coalesce(t.amplify_points, 0) AS amplify_before, coalesce(t.present_points, 0) AS present_before,
           coalesce(t.shine_points, 0) AS shine_before
    FROM sums s
    LEFT JOIN user_totals_rows t ON t.user_id = s.user_id
    -- Nobody is looked up who has totals: no row has the key NULL.
    LEFT JOIN users u ON u.id = CASE WHEN t.user_id IS NULL THEN s.user_id END
  ), changed AS (
    UPDATE user_totals_rows t SET
      total_points = m.points_after, entries = t.entries + m.entries,
      reached_at = greatest(t.reached_at, m.reached_at), points_30d = m.points_30d_after,
      entries_30d = t.entries_30d + m.entries_30d, learn_points = t.learn_points + m.learn,
      explore_points = t.explore_points + m.explore, amplify_points = t.amplify_points + m.amplify,
      present_points = t.present_points + m.present, shine_points = t.shine_points + m.shine
    FROM moved m WHERE t.user_id = m.user_id AND NOT m.is_new
  ), added AS (
    INSERT INTO user_totals_rows (user_id, on_board, cohort, school, total_points, entries, reached_at, points_30d,
      entries_30d, learn_points, explore_points, amplify_points, present_points, shine_points)
    SELECT user_id, on_board, cohort, school, points_after, entries, reached_at, points_30d_after, entries_30d,
           learn, explore, amplify, present, shine
    FROM moved WHERE is_new
  ), counted AS (
    INSERT INTO score_histogram AS h (period, points, people)
    SELECT period, points, sum(people) FROM (
      SELECT 'all' AS period, points_before AS points, -1 AS people FROM moved WHERE on_board
      UNION ALL SELECT 'all', points_after, 1 FROM moved WHERE on_board
      UNION ALL SELECT '30d', points_30d_before, -1 FROM moved WHERE on_board
      UNION ALL SELECT '30d', points_30d_after, 1 FROM moved WHERE on_board
    ) moves WHERE points > 0 GROUP BY period, points HAVING sum(people) <> 0
    ON CONFLICT (period, points) DO UPDATE SET people = h.people + EXCLUDED.people
    RETURNING people
  ), stages AS (
    INSERT INTO stage_totals AS t (activity_code, points, entries, people_with_points)
    SELECT code, f.points, f.entries, coalesce(p.people, 0)
    FROM (SELECT activity_code AS code, sum(delta_points) AS points, count(*) AS entries FROM fresh GROUP BY activity_code) f
    LEFT JOIN (
      SELECT s.code, sum((s.before + s.change > 0)::integer - (s.before > 0)::integer) AS people
      FROM moved m CROSS JOIN LATERAL (VALUES
        ('LEARN', m.learn_before, m.learn), ('EXPLORE', m.explore_before, m.explore),
        ('AMPLIFY', m.amplify_before, m.amplify), ('PRESENT', m.present_before, m.present),
        ('SHINE', m.shine_before, m.shine)) AS s (code, before, change)
      WHERE s.change <> 0 GROUP BY s.code
    ) p USING (code)
    ON CONFLICT (activity_code) DO UPDATE SET
      points = t.points + EXCLUDED.points, entries = t.entries + EXCLUDED.entries,
      people_with_points = t.people_with_points + EXCLUDED.people_with_points
  ), days AS (
    INSERT INTO day_totals AS t (day, activity_code, points, entries)
    SELECT day, activity_code, sum(delta_points), count(*) FROM (
      SELECT (created_at AT TIME ZONE zone)::date AS day, activity_code, delta_points FROM fresh
    ) f WHERE day >= state.first_day GROUP BY day, activity_code
    ON CONFLICT (day, activity_code) DO UPDATE SET
      points = t.points + EXCLUDED.points, entries = t.entries + EXCLUDED.entries
  )
  SELECT pg_current_snapshot()::text AS snapshot,
         (SELECT count(*) FROM fresh) AS rows, (SELECT count(*) FROM leaving) AS swept,
         (SELECT bool_or(people = 0) FROM counted) AS emptied,
         coalesce(bool_or(on_board AND entries > 0 AND (points_before > 0 OR points_after > 0)), false) AS board,
         coalesce(bool_or(on_board AND (points_30d_before > 0 OR points_30d_after > 0)), false) AS board_30d
  INTO done FROM moved;
  IF done.emptied THEN
    DELETE FROM score_histogram WHERE people = 0;
  END IF;

  state.own_stamp := nullif(mine, -1);
  state.folded := done.snapshot;
  state.swept_to := since;
  state.ledger_folded := state.ledger_folded + done.rows;
  state.swept := state.swept + done.swept;
  state.version_ledger := state.version_ledger + (done.rows > 0)::integer;
  state.version_all := state.version_all + done.board::integer;
  state.version_30d := state.version_30d + done.board_30d::integer;
  RETURN state;
END
$$
