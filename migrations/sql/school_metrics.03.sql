-- drop: DROP MATERIALIZED VIEW school_metrics
-- One row per school; '' stands for people without one. Erased people keep counting, under no school. From the totals of
-- people; who has neither points nor submissions has none and counts as a participant.
-- Ordered by the bytes of the key: REFRESH CONCURRENTLY sorts whole rows by their bytes to see that none is there twice,
-- which was most of its time, and what is in order already is not compared all over.
CREATE MATERIALIZED VIEW school_metrics AS
SELECT coalesce(u.school, '') AS school, count(*) AS participants,
       count(*) FILTER (WHERE t.total_points > 0) AS active_participants,
       coalesce(sum(t.total_points), 0)::bigint AS total_points,
       round(coalesce(sum(t.total_points), 0) / count(*), 2) AS average_points,
       coalesce(sum(t.submissions), 0)::bigint AS submissions, coalesce(sum(t.approved), 0)::bigint AS approved,
       coalesce(sum(t.pending), 0)::bigint AS pending
FROM users u LEFT JOIN user_totals t ON t.user_id = u.id
WHERE u.role = 'PARTICIPANT'
GROUP BY coalesce(u.school, '')
ORDER BY coalesce(u.school, '') COLLATE "C"
--;
CREATE UNIQUE INDEX school_metrics_school_key ON school_metrics (school)
