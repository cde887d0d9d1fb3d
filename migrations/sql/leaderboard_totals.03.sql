-- drop: DROP MATERIALIZED VIEW leaderboard_totals
-- Who is on the board of all time: PARTICIPANTs above 0 points, not erased, not opted out (shared/domain.md); from the
-- totals, which a refresh brings up to date first.
-- No rank and no name: a stored rank rewrites every row at every refresh, a copied name outlives its erasure.
-- Ordered by the bytes of the key: REFRESH CONCURRENTLY sorts whole rows by their bytes to see that none is there twice,
-- which was most of its time, and what is in order already is not compared all over.
CREATE MATERIALIZED VIEW leaderboard_totals AS
SELECT user_id, cohort, school, total_points, entries, reached_at
FROM user_totals WHERE on_board AND total_points > 0
ORDER BY user_id COLLATE "C"
--;
CREATE UNIQUE INDEX leaderboard_totals_user_id_key ON leaderboard_totals (user_id)
--;
CREATE INDEX idx_leaderboard_totals_points ON leaderboard_totals (total_points DESC, reached_at, user_id)
--;
CREATE INDEX idx_leaderboard_totals_cohort ON leaderboard_totals (cohort, total_points DESC, reached_at, user_id)
--;
CREATE INDEX idx_leaderboard_totals_school ON leaderboard_totals (school, total_points DESC, reached_at, user_id)
