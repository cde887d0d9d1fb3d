-- drop: DROP FUNCTION refresh_analytics_view(text, uuid, text)
-- Refreshes one view beside its readers and leaves a row saying when, how long, how many rows, ok or why not.
-- SECURITY DEFINER: before PostgreSQL 17 only a view's owner may refresh it. A failure is recorded, not raised, so
-- that the others are still refreshed; a cancelled statement is raised, as OTHERS does not catch it.
CREATE OR REPLACE FUNCTION refresh_analytics_view(view_name text, job uuid DEFAULT NULL, trigger_name text DEFAULT 'sql')
RETURNS analytics_refreshes
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
  outcome analytics_refreshes;
  populated boolean;
BEGIN
  IF view_name NOT IN ('leaderboard_totals', 'leaderboard_30d', 'activity_metrics', 'cohort_metrics',
                       'school_metrics', 'time_series_metrics') THEN
    RAISE EXCEPTION 'no such analytics view: %', view_name USING ERRCODE = 'invalid_parameter_value';
  END IF;
  outcome.started_at := clock_timestamp();
  outcome.ok := true;
  BEGIN
    SELECT relispopulated INTO populated FROM pg_catalog.pg_class
    WHERE relname = view_name AND relkind = 'm' AND relnamespace = 'public'::regnamespace;
    IF populated THEN
      EXECUTE format('REFRESH MATERIALIZED VIEW CONCURRENTLY public.%I', view_name);
    ELSE
      EXECUTE format('REFRESH MATERIALIZED VIEW public.%I', view_name);
    END IF;
    EXECUTE format('SELECT count(*) FROM public.%I', view_name) INTO outcome.row_count;
    IF view_name IN ('leaderboard_totals', 'leaderboard_30d') THEN
      -- What a reader of the board would see change, in one number.
      EXECUTE format(
        'SELECT md5(coalesce(sum(hashtextextended(concat_ws(''|'', user_id, total_points, reached_at, cohort, school), 0)::numeric), 0)::text)
         FROM public.%I', view_name) INTO outcome.fingerprint;
    END IF;
  EXCEPTION WHEN OTHERS THEN
    outcome.ok := false;
    outcome.error := SQLSTATE || ' ' || SQLERRM;
  END;
  INSERT INTO analytics_refreshes (job_id, view_name, triggered_by, started_at, finished_at, row_count, ok, error, fingerprint)
  VALUES (job, view_name, trigger_name, outcome.started_at, clock_timestamp(), outcome.row_count, outcome.ok,
          outcome.error, outcome.fingerprint)
  RETURNING * INTO outcome;
  RETURN outcome;
END
$$
