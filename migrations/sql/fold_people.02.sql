-- drop: DROP FUNCTION fold_people(totals_state)
-- Brings role, cohort, school, visibility and erasure of those with a note to their totals. Notes are taken by the
-- statement that reads the people, so whoever changes somebody later leaves a note that is still there.
CREATE OR REPLACE FUNCTION fold_people(state totals_state) RETURNS totals_state
LANGUAGE plpgsql
-- Planned once a connection: planning takes longer than folding a few rows. Few or many, all is found by indexes.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  done record;
BEGIN
  WITH notes AS (
    DELETE FROM people_changes RETURNING user_id
  ), told AS MATERIALIZED (
    SELECT u.id AS user_id, u.cohort, u.school, t.on_board AS was_on, t.total_points, t.points_30d,
           u.role = 'PARTICIPANT' AND u.erased_at IS NULL AND u.show_on_leaderboard AS is_on
    FROM (SELECT DISTINCT user_id FROM notes) n
    JOIN users u ON u.id = n.user_id JOIN user_totals_rows t ON t.user_id = u.id
  ), changed AS (
    UPDATE user_totals_rows t SET on_board = n.is_on, cohort = n.cohort, school = n.school FROM told n
    WHERE t.user_id = n.user_id AND (t.on_board, t.cohort, t.school) IS DISTINCT FROM (n.is_on, n.cohort, n.school)
  ), counted AS (
    INSERT INTO score_histogram AS h (period, points, people)
    SELECT period, points, sum(people) FROM (
      SELECT 'all' AS period, total_points AS points, is_on::integer - was_on::integer AS people FROM told
      UNION ALL SELECT '30d', points_30d, is_on::integer - was_on::integer FROM told
    ) moves WHERE points > 0 GROUP BY period, points HAVING sum(people) <> 0
    ON CONFLICT (period, points) DO UPDATE SET people = h.people + EXCLUDED.people
    RETURNING people
  )
  SELECT (SELECT count(*) FROM notes) AS notes,
         (SELECT bool_or(people = 0) FROM counted) AS emptied,
         coalesce(bool_or((was_on OR is_on) AND total_points > 0), false) AS board,
         coalesce(bool_or((was_on OR is_on) AND points_30d > 0), false) AS board_30d
  INTO done FROM told;
  IF done.emptied THEN
    DELETE FROM score_histogram WHERE people = 0;
  END IF;
  state.people_folded := state.people_folded + done.notes;
  state.version_people := state.version_people + (done.notes > 0)::integer;
  state.version_all := state.version_all + done.board::integer;
  state.version_30d := state.version_30d + done.board_30d::integer;
  RETURN state;
END
$$
