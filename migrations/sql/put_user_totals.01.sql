-- drop: DROP FUNCTION put_user_totals()
-- A part of rebuild_totals: its table takes the place of the one before, under the same names, with the same rights.
-- It waits a second at a time for readers, and lets others pass meanwhile: whoever would read behind it would wait too.
CREATE OR REPLACE FUNCTION put_user_totals() RETURNS void
LANGUAGE plpgsql
SET lock_timeout = '1s'
AS $$
DECLARE
  item record;
  place text;
BEGIN
  -- Rights: none that came by default privileges, and those of the table before.
  FOR item IN SELECT DISTINCT a.grantee FROM pg_class c, aclexplode(c.relacl) a
              WHERE c.oid = 'user_totals_fresh'::regclass AND a.grantee <> c.relowner LOOP
    EXECUTE format('REVOKE ALL ON user_totals_fresh FROM %s',
                   CASE item.grantee WHEN 0 THEN 'PUBLIC' ELSE item.grantee::regrole::text END);
  END LOOP;
  FOR item IN SELECT a.privilege_type, a.grantee FROM pg_class c, aclexplode(c.relacl) a
              WHERE c.oid = 'user_totals_rows'::regclass AND a.grantee NOT IN (0, c.relowner) LOOP
    EXECUTE format('GRANT %s ON user_totals_fresh TO %s', item.privilege_type, item.grantee::regrole);
  END LOOP;
  IF (SELECT relrowsecurity FROM pg_class WHERE oid = 'user_totals_rows'::regclass) THEN
    ALTER TABLE user_totals_fresh ENABLE ROW LEVEL SECURITY;
  END IF;
  FOR item IN SELECT polname, polroles FROM pg_policy WHERE polrelid = 'user_totals_rows'::regclass LOOP
    EXECUTE format('CREATE POLICY %I ON user_totals_fresh TO %s USING (true) WITH CHECK (true)', item.polname,
                   (SELECT string_agg(role::regrole::text, ', ') FROM unnest(item.polroles) AS role));
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
