-- drop: DROP MATERIALIZED VIEW activity_metrics
-- One row per stage, from the totals of stages.
CREATE MATERIALIZED VIEW activity_metrics AS
SELECT a.code AS activity_code, a.name AS activity_name,
       coalesce(t.submissions, 0) AS submissions, coalesce(t.pending, 0) AS pending, coalesce(t.approved, 0) AS approved,
       coalesce(t.rejected, 0) AS rejected, coalesce(t.withdrawn, 0) AS withdrawn, coalesce(t.revoked, 0) AS revoked,
       coalesce(t.participants, 0) AS participants, t.review_seconds / nullif(t.reviews, 0) AS average_review_seconds,
       coalesce(t.peers_reached, 0) AS peers_reached, coalesce(t.students_reached, 0) AS students_reached,
       coalesce(t.points, 0) AS total_points, coalesce(t.entries, 0) AS entries,
       coalesce(t.people_with_points, 0) AS people_with_points, coalesce(t.micro_credentials, 0) AS micro_credentials
FROM activities a LEFT JOIN stage_totals t ON t.activity_code = a.code
--;
CREATE UNIQUE INDEX activity_metrics_activity_code_key ON activity_metrics (activity_code)
