-- drop: DROP FUNCTION fold_submissions(totals_state)
-- Folds what became of submissions into the totals of people, stages and days.
-- Notes and submissions are read by one statement: what is visible of a person's submissions of a day, without those
-- that the notes add, is what was folded before. So whoever had none is one more person of that day, exactly.
CREATE OR REPLACE FUNCTION fold_submissions(state totals_state) RETURNS totals_state
LANGUAGE plpgsql
-- Planned once a connection: planning takes longer than folding a few rows. Few or many, all is found by indexes.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  zone CONSTANT text := state.timezone;
  done record;
BEGIN
  WITH notes AS (
    DELETE FROM submission_changes
    RETURNING user_id, activity_code, status, made_at, reviewed_at, peers, students, sign, added
  ), sums AS (
    SELECT user_id, sum(sign) AS submissions, coalesce(sum(sign) FILTER (WHERE status = 'APPROVED'), 0) AS approved,
           coalesce(sum(sign) FILTER (WHERE status = 'PENDING'), 0) AS pending,
           coalesce(bit_or(CASE activity_code WHEN 'LEARN' THEN 1 WHEN 'EXPLORE' THEN 2 WHEN 'AMPLIFY' THEN 4
                           WHEN 'PRESENT' THEN 8 ELSE 16 END) FILTER (WHERE sign > 0), 0) AS stages
    FROM notes GROUP BY user_id
  ), moved AS MATERIALIZED (
    SELECT s.*, t.user_id IS NULL AS is_new, coalesce(t.stages_submitted, 0) AS stages_before,
           coalesce(t.on_board AND t.total_points > 0 AND s.approved <> 0, false) AS board,
           coalesce(t.on_board AND t.points_30d > 0 AND s.approved <> 0, false) AS board_30d
    FROM sums s LEFT JOIN user_totals_rows t ON t.user_id = s.user_id
  ), changed AS (
    UPDATE user_totals_rows t SET submissions = t.submissions + m.submissions, approved = t.approved + m.approved,
      pending = t.pending + m.pending, stages_submitted = (t.stages_submitted | m.stages)::smallint
    FROM moved m WHERE t.user_id = m.user_id AND NOT m.is_new
  ), added AS (
    INSERT INTO user_totals_rows (user_id, on_board, cohort, school, submissions, approved, pending, stages_submitted)
    SELECT u.id, u.role = 'PARTICIPANT' AND u.erased_at IS NULL AND u.show_on_leaderboard, u.cohort, u.school,
           m.submissions, m.approved, m.pending, m.stages
    FROM moved m JOIN users u ON u.id = m.user_id WHERE m.is_new
  ), newcomers AS (
    SELECT code, count(*) AS participants
    FROM moved m, (VALUES ('LEARN', 1), ('EXPLORE', 2), ('AMPLIFY', 4), ('PRESENT', 8), ('SHINE', 16)) AS s (code, bit)
    WHERE m.stages & s.bit > 0 AND m.stages_before & s.bit = 0 GROUP BY code
  ), per_stage AS (
    SELECT activity_code, sum(sign) AS submissions,
           coalesce(sum(sign) FILTER (WHERE status = 'PENDING'), 0) AS pending,
           coalesce(sum(sign) FILTER (WHERE status = 'APPROVED'), 0) AS approved,
           coalesce(sum(sign) FILTER (WHERE status = 'REJECTED'), 0) AS rejected,
           coalesce(sum(sign) FILTER (WHERE status = 'WITHDRAWN'), 0) AS withdrawn,
           coalesce(sum(sign) FILTER (WHERE status = 'REVOKED'), 0) AS revoked,
           coalesce(sum(sign) FILTER (WHERE reviewed_at IS NOT NULL), 0) AS reviews,
           coalesce(extract(epoch FROM sum(sign * (reviewed_at - made_at))), 0) AS review_seconds,
           coalesce(sum(sign * peers) FILTER (WHERE status = 'APPROVED'), 0) AS peers,
           coalesce(sum(sign * students) FILTER (WHERE status = 'APPROVED'), 0) AS students
    FROM notes GROUP BY activity_code
  ), stages AS (
    INSERT INTO stage_totals AS t (activity_code, submissions, pending, approved, rejected, withdrawn, revoked, reviews,
                                   review_seconds, peers_reached, students_reached, participants)
    SELECT p.activity_code, p.submissions, p.pending, p.approved, p.rejected, p.withdrawn, p.revoked, p.reviews,
           p.review_seconds, p.peers, p.students, coalesce(n.participants, 0)
    FROM per_stage p LEFT JOIN newcomers n ON n.code = p.activity_code
    ON CONFLICT (activity_code) DO UPDATE SET
      submissions = t.submissions + EXCLUDED.submissions, pending = t.pending + EXCLUDED.pending,
      approved = t.approved + EXCLUDED.approved, rejected = t.rejected + EXCLUDED.rejected,
      withdrawn = t.withdrawn + EXCLUDED.withdrawn, revoked = t.revoked + EXCLUDED.revoked,
      reviews = t.reviews + EXCLUDED.reviews, review_seconds = t.review_seconds + EXCLUDED.review_seconds,
      peers_reached = t.peers_reached + EXCLUDED.peers_reached,
      students_reached = t.students_reached + EXCLUDED.students_reached,
      participants = t.participants + EXCLUDED.participants
  ), submitters AS (
    SELECT day, activity_code, user_id, count(*) AS times FROM (
      SELECT (made_at AT TIME ZONE zone)::date AS day, activity_code, user_id FROM notes WHERE added
    ) a WHERE day >= state.first_day GROUP BY day, activity_code, user_id
  ), days AS (
    INSERT INTO day_totals AS t (day, activity_code, submissions, approved, rejected, people)
    SELECT day, activity_code, sum(submissions), sum(approved), sum(rejected), sum(people) FROM (
      SELECT (made_at AT TIME ZONE zone)::date AS day, activity_code, sign AS submissions, 0 AS approved, 0 AS rejected,
             0 AS people FROM notes
      UNION ALL
      SELECT (reviewed_at AT TIME ZONE zone)::date, activity_code, 0, sign * (status <> 'REJECTED')::integer,
             sign * (status = 'REJECTED')::integer, 0 FROM notes WHERE reviewed_at IS NOT NULL
      UNION ALL
      SELECT s.day, s.activity_code, 0, 0, 0, 1 FROM submitters s
      WHERE s.times = (SELECT count(*) FROM submissions b
                       WHERE b.user_id = s.user_id AND b.activity_code = s.activity_code
                         AND b.created_at >= s.day::timestamp AT TIME ZONE zone
                         AND b.created_at < (s.day + 1)::timestamp AT TIME ZONE zone)
    ) parts WHERE day >= state.first_day GROUP BY day, activity_code
    HAVING sum(submissions) <> 0 OR sum(approved) <> 0 OR sum(rejected) <> 0 OR sum(people) <> 0
    ON CONFLICT (day, activity_code) DO UPDATE SET
      submissions = t.submissions + EXCLUDED.submissions, approved = t.approved + EXCLUDED.approved,
      rejected = t.rejected + EXCLUDED.rejected, people = t.people + EXCLUDED.people
    RETURNING submissions = 0 AND approved = 0 AND rejected = 0 AND entries = 0 AS empty
  )
  SELECT (SELECT count(*) FROM notes) AS notes, (SELECT bool_or(empty) FROM days) AS emptied,
         coalesce(bool_or(board), false) AS board, coalesce(bool_or(board_30d), false) AS board_30d
  INTO done FROM moved;
  IF done.emptied THEN
    DELETE FROM day_totals WHERE submissions = 0 AND approved = 0 AND rejected = 0 AND entries = 0;
  END IF;
  state.submissions_folded := state.submissions_folded + done.notes;
  state.version_submissions := state.version_submissions + (done.notes > 0)::integer;
  -- The board tells how many public submissions of somebody are approved.
  state.version_all := state.version_all + done.board::integer;
  state.version_30d := state.version_30d + done.board_30d::integer;
  RETURN state;
END
$$
