-- drop: DROP MATERIALIZED VIEW leaderboard_30d
-- Who is on the board of the last 30 x 24 hours by recording time: PARTICIPANTs above 0 points, not erased, not opted
-- out (shared/domain.md); from the totals. The last row of a window that has any is the last row of all, so its time
-- is `reached_at` as well.
-- Ordered by the bytes of the key: REFRESH CONCURRENTLY sorts whole rows by their bytes to see that none is there twice,
-- which was most of its time, and what is in order already is not compared all over.
CREATE MATERIALIZED VIEW leaderboard_30d AS
SELECT user_id, cohort, school, points_30d AS total_points, entries_30d AS entries, reached_at
FROM user_totals WHERE on_board AND points_30d > 0
ORDER BY user_id COLLATE "C"
--;
CREATE UNIQUE INDEX leaderboard_30d_user_id_key ON leaderboard_30d (user_id)
--;
CREATE INDEX idx_leaderboard_30d_points ON leaderboard_30d (total_points DESC, reached_at, user_id)
--;
CREATE INDEX idx_leaderboard_30d_cohort ON leaderboard_30d (cohort, total_points DESC, reached_at, user_id)
--;
CREATE INDEX idx_leaderboard_30d_school ON leaderboard_30d (school, total_points DESC, reached_at, user_id)
