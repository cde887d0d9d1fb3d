-- drop: DROP FUNCTION put_user_totals()
-- A part of rebuild_totals: its table takes the place of the one before, under the same names, with the same rights.
-- It waits a second at a time for readers, and lets others pass meanwhile: whoever would read behind it would wait too.
CREATE OR REPLACE FUNCTION put_user_totals() RETURNS void
LANGUAGE plpgsql
SET lock_timeout = '1s'
AS $$
DECLARE
  role text;
  place text;
BEGIN
  ALTER TABLE user_totals_fresh ENABLE ROW LEVEL SECURITY;
  REVOKE ALL ON user_totals_fresh FROM PUBLIC;
  FOR role IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'elevate_app') LOOP
    EXECUTE format('REVOKE ALL ON user_totals_fresh FROM %I', role);
    IF role = 'elevate_app' THEN
      GRANT SELECT ON user_totals_fresh TO elevate_app;
      CREATE POLICY service ON user_totals_fresh TO elevate_app USING (true) WITH CHECK (true);
    END IF;
  END LOOP;
  FOR attempt IN 1..60 LOOP
    BEGIN
      LOCK TABLE user_totals, user_totals_rows IN ACCESS EXCLUSIVE MODE;
      EXIT;
    EXCEPTION WHEN lock_not_available THEN
      IF attempt = 60 THEN
        RAISE;
      END IF;
    END;
    PERFORM pg_sleep(0.2);
  END LOOP;
  CREATE OR REPLACE VIEW user_totals AS
  SELECT user_id, on_board, cohort, school, total_points, entries, reached_at, points_30d, entries_30d,
         learn_points, explore_points, amplify_points, present_points, shine_points,
         submissions, approved, pending, stages_submitted
  FROM user_totals_fresh;
  DROP TABLE user_totals_rows;
  ALTER TABLE user_totals_fresh RENAME TO user_totals_rows;
  FOR place IN SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
               WHERE i.indrelid = 'user_totals_rows'::regclass LOOP
    EXECUTE format('ALTER INDEX %I RENAME TO %I', place, replace(place, '_fresh', '_rows'));
  END LOOP;
END
$$
