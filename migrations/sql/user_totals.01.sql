-- drop: DROP VIEW user_totals
-- What everybody reads: a name that stays while a rebuild puts another table beneath it.
CREATE OR REPLACE VIEW user_totals AS
SELECT user_id, on_board, cohort, school, total_points, entries, reached_at, points_30d, entries_30d,
       learn_points, explore_points, amplify_points, present_points, shine_points,
       submissions, approved, pending, stages_submitted
FROM user_totals_rows
