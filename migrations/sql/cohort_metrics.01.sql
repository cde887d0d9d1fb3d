-- drop: DROP MATERIALIZED VIEW cohort_metrics
-- One row per cohort; '' stands for people without one. Erased people keep counting, under no cohort.
CREATE MATERIALIZED VIEW cohort_metrics AS
SELECT coalesce(u.cohort, '') AS cohort, count(*) AS participants,
       count(*) FILTER (WHERE l.total_points > 0) AS active_participants,
       coalesce(sum(l.total_points), 0)::bigint AS total_points,
       round(coalesce(sum(l.total_points), 0) / count(*), 2) AS average_points,
       coalesce(sum(s.submissions), 0)::bigint AS submissions, coalesce(sum(s.approved), 0)::bigint AS approved,
       coalesce(sum(s.pending), 0)::bigint AS pending
FROM users u
LEFT JOIN (
  SELECT user_id, sum(delta_points)::bigint AS total_points FROM points_ledger GROUP BY user_id
) l ON l.user_id = u.id
LEFT JOIN (
  SELECT user_id, count(*) AS submissions, count(*) FILTER (WHERE status = 'APPROVED') AS approved,
         count(*) FILTER (WHERE status = 'PENDING') AS pending
  FROM submissions GROUP BY user_id
) s ON s.user_id = u.id
WHERE u.role = 'PARTICIPANT'
GROUP BY coalesce(u.cohort, '')
--;
CREATE UNIQUE INDEX cohort_metrics_cohort_key ON cohort_metrics (cohort)
