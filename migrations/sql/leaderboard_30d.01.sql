-- drop: DROP MATERIALIZED VIEW leaderboard_30d
-- Who is on the board of the last 30 x 24 hours by recording time: PARTICIPANTs above 0 points, not erased, not opted out (shared/domain.md).
-- No rank and no name: a stored rank rewrites every row at every refresh, a copied name outlives its erasure.
CREATE MATERIALIZED VIEW leaderboard_30d AS
SELECT u.id AS user_id, u.cohort, u.school, l.total_points, l.entries, l.reached_at
FROM (
  SELECT user_id, sum(delta_points)::bigint AS total_points, count(*) AS entries, max(created_at) AS reached_at
  FROM points_ledger WHERE created_at > now() - interval '720 hours' GROUP BY user_id
) l
JOIN users u ON u.id = l.user_id
WHERE l.total_points > 0 AND u.role = 'PARTICIPANT' AND u.erased_at IS NULL AND u.show_on_leaderboard
--;
CREATE UNIQUE INDEX leaderboard_30d_user_id_key ON leaderboard_30d (user_id)
--;
CREATE INDEX idx_leaderboard_30d_points ON leaderboard_30d (total_points DESC, reached_at, user_id)
--;
CREATE INDEX idx_leaderboard_30d_cohort ON leaderboard_30d (cohort, total_points DESC, reached_at, user_id)
--;
CREATE INDEX idx_leaderboard_30d_school ON leaderboard_30d (school, total_points DESC, reached_at, user_id)
