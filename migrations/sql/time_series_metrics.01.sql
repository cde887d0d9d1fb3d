-- drop: DROP MATERIALIZED VIEW time_series_metrics
-- 90 days x stage, per day of the programme's zone, days without anything included.
CREATE MATERIALIZED VIEW time_series_metrics AS
WITH zone AS MATERIALIZED (
  SELECT program_timezone() AS name, (now() AT TIME ZONE program_timezone())::date AS today
), since AS MATERIALIZED (
  SELECT ((today - 89)::timestamp AT TIME ZONE name) AS at FROM zone
)
SELECT d.day::date AS day, a.code AS activity_code,
       coalesce(s.submissions, 0) AS submissions, coalesce(r.approved, 0) AS approved, coalesce(r.rejected, 0) AS rejected,
       coalesce(l.points, 0) AS points, coalesce(l.entries, 0) AS entries, coalesce(s.people, 0) AS people
FROM zone z
CROSS JOIN LATERAL generate_series((z.today - 89)::timestamp, z.today::timestamp, interval '1 day') AS d (day)
CROSS JOIN activities a
LEFT JOIN (
  SELECT (created_at AT TIME ZONE zone.name)::date AS day, activity_code, count(*) AS submissions,
         count(DISTINCT user_id) AS people
  FROM submissions, zone WHERE created_at >= (SELECT at FROM since) GROUP BY 1, 2
) s ON s.day = d.day::date AND s.activity_code = a.code
LEFT JOIN (
  SELECT (reviewed_at AT TIME ZONE zone.name)::date AS day, activity_code,
         count(*) FILTER (WHERE status <> 'REJECTED') AS approved, count(*) FILTER (WHERE status = 'REJECTED') AS rejected
  FROM submissions, zone WHERE reviewed_at >= (SELECT at FROM since) GROUP BY 1, 2
) r ON r.day = d.day::date AND r.activity_code = a.code
LEFT JOIN (
  SELECT (created_at AT TIME ZONE zone.name)::date AS day, activity_code, sum(delta_points)::bigint AS points,
         count(*) AS entries
  FROM points_ledger, zone WHERE created_at >= (SELECT at FROM since) GROUP BY 1, 2
) l ON l.day = d.day::date AND l.activity_code = a.code
--;
CREATE UNIQUE INDEX time_series_metrics_day_activity_code_key ON time_series_metrics (day, activity_code)
