-- drop: DROP FUNCTION analytics_inputs(text)
-- What a view's contents depend on, as text: the versions that folds raise, the stages, local midnight. Equal texts
-- mean equal contents. Raises invalid_parameter_value for a zone that does not exist.
CREATE OR REPLACE FUNCTION analytics_inputs(view_name text) RETURNS text
LANGUAGE sql STABLE
AS $$
  SELECT CASE
    WHEN view_name = 'leaderboard_totals' THEN s.version_all::text
    WHEN view_name = 'leaderboard_30d' THEN s.version_30d::text
    WHEN view_name IN ('cohort_metrics', 'school_metrics') THEN
      concat_ws(' ', s.version_people, s.version_ledger, s.version_submissions)
    ELSE concat_ws(' ', s.version_ledger, s.version_submissions,
      (SELECT md5(string_agg(concat_ws('|', code, name), ',' ORDER BY code)) FROM activities),
      CASE view_name WHEN 'time_series_metrics' THEN program_timezone() || ' ' || program_today(program_timezone()) END)
  END
  FROM totals_state s
$$
