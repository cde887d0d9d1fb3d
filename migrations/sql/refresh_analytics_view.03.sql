-- drop: DROP FUNCTION refresh_analytics_view(text, uuid, text, timestamptz)
-- Folds, then refreshes one view beside its readers if anything that it is made of changed since its last successful
-- refresh, and leaves a row saying when, how long, how many rows, ok or why not. A finding that nothing changed is a
-- row as well, `unchanged`, and counts as a refresh. A caller that has just folded says when it began to.
-- SECURITY DEFINER: before PostgreSQL 17 only a view's owner may refresh it. A failure is recorded, not raised, so
-- that the others are still refreshed; a cancelled statement is raised, as OTHERS does not catch it.
CREATE OR REPLACE FUNCTION refresh_analytics_view(
  view_name text, job uuid DEFAULT NULL, trigger_name text DEFAULT 'sql', folded_at timestamptz DEFAULT NULL)
RETURNS analytics_refreshes
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET jit = off
SET work_mem = '128MB'
-- Whoever reads and writes meanwhile keeps the other processors; comparing old and new is done by one in any case.
SET max_parallel_workers_per_gather = 0
AS $$
DECLARE
  outcome analytics_refreshes;
  last analytics_refreshes;
  populated boolean;
BEGIN
  IF view_name NOT IN ('leaderboard_totals', 'leaderboard_30d', 'activity_metrics', 'cohort_metrics',
                       'school_metrics', 'time_series_metrics') THEN
    RAISE EXCEPTION 'no such analytics view: %', view_name USING ERRCODE = 'invalid_parameter_value';
  END IF;
  outcome.started_at := coalesce(folded_at, clock_timestamp());
  outcome.ok := true;
  outcome.unchanged := false;
  BEGIN
    IF folded_at IS NULL THEN
      PERFORM fold_totals(true);
    END IF;
    outcome.inputs := analytics_inputs(view_name);
    SELECT relispopulated INTO populated FROM pg_catalog.pg_class
    WHERE relname = view_name AND relkind = 'm' AND relnamespace = 'public'::regnamespace;
    SELECT r.* INTO last FROM analytics_refreshes r
    WHERE r.view_name = refresh_analytics_view.view_name AND r.ok ORDER BY r.started_at DESC LIMIT 1;
    IF populated AND outcome.inputs = last.inputs THEN
      outcome.unchanged := true;
      outcome.row_count := last.row_count;
    ELSE
      EXECUTE format('REFRESH MATERIALIZED VIEW %s public.%I',
                     CASE WHEN populated THEN 'CONCURRENTLY' ELSE '' END, view_name);
      EXECUTE format('SELECT count(*) FROM public.%I', view_name) INTO outcome.row_count;
    END IF;
    IF view_name IN ('leaderboard_totals', 'leaderboard_30d') THEN
      outcome.fingerprint := outcome.inputs;  -- raised when a reader of the board would see a change
    END IF;
  EXCEPTION WHEN OTHERS THEN
    outcome.ok := false;
    outcome.error := SQLSTATE || ' ' || SQLERRM;
  END;
  INSERT INTO analytics_refreshes (job_id, view_name, triggered_by, started_at, finished_at, row_count, ok, error,
                                   fingerprint, inputs, unchanged)
  VALUES (job, view_name, trigger_name, outcome.started_at, clock_timestamp(), outcome.row_count, outcome.ok,
          outcome.error, outcome.fingerprint, outcome.inputs, outcome.unchanged)
  RETURNING * INTO outcome;
  RETURN outcome;
END
$$
