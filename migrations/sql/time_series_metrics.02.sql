-- drop: DROP MATERIALIZED VIEW time_series_metrics
-- 90 days x stage, per day of the programme's zone, days without anything included; from the totals of days.
CREATE MATERIALIZED VIEW time_series_metrics AS
SELECT d.day::date AS day, a.code AS activity_code,
       coalesce(t.submissions, 0) AS submissions, coalesce(t.approved, 0) AS approved, coalesce(t.rejected, 0) AS rejected,
       coalesce(t.points, 0) AS points, coalesce(t.entries, 0) AS entries, coalesce(t.people, 0) AS people
FROM (SELECT program_today(program_timezone()) AS today) z
CROSS JOIN LATERAL generate_series((z.today - 89)::timestamp, z.today::timestamp, interval '1 day') AS d (day)
CROSS JOIN activities a
LEFT JOIN day_totals t ON t.day = d.day::date AND t.activity_code = a.code
--;
CREATE UNIQUE INDEX time_series_metrics_day_activity_code_key ON time_series_metrics (day, activity_code)
