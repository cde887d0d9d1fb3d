-- drop: DROP MATERIALIZED VIEW activity_metrics
-- One row per stage. Submissions, ledger and events are summed separately before they meet.
CREATE MATERIALIZED VIEW activity_metrics AS
SELECT a.code AS activity_code, a.name AS activity_name,
       coalesce(s.submissions, 0) AS submissions, coalesce(s.pending, 0) AS pending, coalesce(s.approved, 0) AS approved,
       coalesce(s.rejected, 0) AS rejected, coalesce(s.withdrawn, 0) AS withdrawn, coalesce(s.revoked, 0) AS revoked,
       coalesce(s.participants, 0) AS participants, s.average_review_seconds,
       coalesce(s.peers_reached, 0) AS peers_reached, coalesce(s.students_reached, 0) AS students_reached,
       coalesce(l.total_points, 0) AS total_points, coalesce(l.entries, 0) AS entries,
       coalesce(l.people_with_points, 0) AS people_with_points,
       CASE WHEN a.code = 'LEARN' THEN (
         SELECT count(*) FROM (SELECT DISTINCT user_id, tag FROM kajabi_events WHERE status = 'PROCESSED') grants
       ) ELSE 0 END AS micro_credentials
FROM activities a
LEFT JOIN (
  SELECT activity_code, count(*) AS submissions,
         count(*) FILTER (WHERE status = 'PENDING') AS pending,
         count(*) FILTER (WHERE status = 'APPROVED') AS approved,
         count(*) FILTER (WHERE status = 'REJECTED') AS rejected,
         count(*) FILTER (WHERE status = 'WITHDRAWN') AS withdrawn,
         count(*) FILTER (WHERE status = 'REVOKED') AS revoked,
         count(DISTINCT user_id) AS participants,
         avg(extract(epoch FROM reviewed_at - created_at)) FILTER (WHERE reviewed_at IS NOT NULL) AS average_review_seconds,
         sum(peers_trained) FILTER (WHERE status = 'APPROVED') AS peers_reached,
         sum(students_trained) FILTER (WHERE status = 'APPROVED') AS students_reached
  FROM submissions GROUP BY activity_code
) s ON s.activity_code = a.code
LEFT JOIN (
  SELECT activity_code, sum(points)::bigint AS total_points, sum(entries)::bigint AS entries,
         count(*) FILTER (WHERE points > 0) AS people_with_points
  FROM (
    SELECT activity_code, user_id, sum(delta_points) AS points, count(*) AS entries
    FROM points_ledger GROUP BY activity_code, user_id
  ) per_person GROUP BY activity_code
) l ON l.activity_code = a.code
--;
CREATE UNIQUE INDEX activity_metrics_activity_code_key ON activity_metrics (activity_code)
