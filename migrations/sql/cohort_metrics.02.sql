-- drop: DROP MATERIALIZED VIEW cohort_metrics
-- One row per cohort; '' stands for people without one. Erased people keep counting, under no cohort. From the totals of
-- people; who has neither points nor submissions has none and counts as a participant.
CREATE MATERIALIZED VIEW cohort_metrics AS
SELECT coalesce(u.cohort, '') AS cohort, count(*) AS participants,
       count(*) FILTER (WHERE t.total_points > 0) AS active_participants,
       coalesce(sum(t.total_points), 0)::bigint AS total_points,
       round(coalesce(sum(t.total_points), 0) / count(*), 2) AS average_points,
       coalesce(sum(t.submissions), 0)::bigint AS submissions, coalesce(sum(t.approved), 0)::bigint AS approved,
       coalesce(sum(t.pending), 0)::bigint AS pending
FROM users u LEFT JOIN user_totals t ON t.user_id = u.id
WHERE u.role = 'PARTICIPANT'
GROUP BY coalesce(u.cohort, '')
--;
CREATE UNIQUE INDEX cohort_metrics_cohort_key ON cohort_metrics (cohort)
