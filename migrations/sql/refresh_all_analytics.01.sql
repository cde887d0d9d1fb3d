-- drop: DROP FUNCTION refresh_all_analytics()
-- The manual's `SELECT refresh_all_analytics()`: all six in one transaction, each in a block that survives the
-- failure of another. The service refreshes each in a transaction of its own.
CREATE OR REPLACE FUNCTION refresh_all_analytics()
RETURNS TABLE (view text, duration_seconds double precision, rows bigint, ok boolean, error text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
  name text;
  outcome analytics_refreshes;
BEGIN
  FOREACH name IN ARRAY ARRAY['leaderboard_totals', 'leaderboard_30d', 'activity_metrics', 'cohort_metrics',
                              'school_metrics', 'time_series_metrics'] LOOP
    outcome := refresh_analytics_view(name);
    view := outcome.view_name;
    duration_seconds := extract(epoch FROM outcome.finished_at - outcome.started_at);
    rows := outcome.row_count;
    ok := outcome.ok;
    error := outcome.error;
    RETURN NEXT;
  END LOOP;
END
$$
