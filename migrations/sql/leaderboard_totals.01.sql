-- drop: DROP MATERIALIZED VIEW leaderboard_totals
-- Who is on the board of all time: PARTICIPANTs above 0 points, not erased, not opted out (shared/domain.md).
-- No rank and no name: a stored rank rewrites every row at every refresh, a copied name outlives its erasure.
CREATE MATERIALIZED VIEW leaderboard_totals AS
SELECT u.id AS user_id, u.cohort, u.school, l.total_points, l.entries, l.reached_at
FROM (
  SELECT user_id, sum(delta_points)::bigint AS total_points, count(*) AS entries, max(created_at) AS reached_at
  FROM points_ledger GROUP BY user_id
) l
JOIN users u ON u.id = l.user_id
WHERE l.total_points > 0 AND u.role = 'PARTICIPANT' AND u.erased_at IS NULL AND u.show_on_leaderboard
--;
CREATE UNIQUE INDEX leaderboard_totals_user_id_key ON leaderboard_totals (user_id)
--;
CREATE INDEX idx_leaderboard_totals_points ON leaderboard_totals (total_points DESC, reached_at, user_id)
--;
CREATE INDEX idx_leaderboard_totals_cohort ON leaderboard_totals (cohort, total_points DESC, reached_at, user_id)
--;
CREATE INDEX idx_leaderboard_totals_school ON leaderboard_totals (school, total_points DESC, reached_at, user_id)
