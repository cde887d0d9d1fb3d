-- Who may reach what. Run after every migration, so that no new table, view or function is ever left open.
-- Row level security on every table with one policy, for the service's own role; views and functions are exposed by
-- a hosted Data API too, so PUBLIC, anon and authenticated lose them (shared/integrations.md). The role elevate_app
-- has no DDL, no DELETE but where named, and can only add to the ledger and the audit log.
DO $access$
DECLARE
  item record;
  public_roles CONSTANT text := concat_ws(', ', 'PUBLIC',
    (SELECT string_agg(quote_ident(rolname), ', ') FROM pg_roles WHERE rolname IN ('anon', 'authenticated')));
  service CONSTANT boolean := EXISTS (SELECT FROM pg_roles WHERE rolname = 'elevate_app');
  add_only CONSTANT text[] := ARRAY['points_ledger', 'point_adjustments', 'earned_badges', 'audit_log',
                                    'analytics_refreshes'];
  deletable CONSTANT text[] := ARRAY['idempotency_keys', 'review_claims', 'submission_attachments',
    'attachment_removals', 'alert_events', 'alert_samples', 'alert_notices', 'rate_limit_windows'];
  read_only CONSTANT text[] := ARRAY['alembic_version', 'app_settings', 'ledger_seals',
    -- Totals are written by folds, notes for them by triggers.
    'user_totals_rows', 'score_histogram', 'stage_totals', 'day_totals', 'totals_state', 'submission_changes',
    'people_changes', 'grant_changes', 'rebuild_requests'];
BEGIN
  FOR item IN
    SELECT c.oid::regclass AS name, c.relname, c.relkind FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'm', 'v', 'S')
      AND pg_has_role(current_user, c.relowner, 'USAGE')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
  LOOP
    EXECUTE format('REVOKE ALL ON %s %s FROM %s', CASE item.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, item.name, public_roles);
    IF item.relkind IN ('r', 'p') THEN
      EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', item.name);
    END IF;
    CONTINUE WHEN NOT service;
    IF item.relkind = 'S' THEN
      EXECUTE format('GRANT USAGE ON SEQUENCE %s TO elevate_app', item.name);
      CONTINUE;
    END IF;
    EXECUTE format('REVOKE ALL ON %s FROM elevate_app', item.name);
    EXECUTE format('GRANT SELECT ON %s TO elevate_app', item.name);
    CONTINUE WHEN item.relkind IN ('m', 'v');
    IF item.relname <> ALL (read_only) THEN
      -- Which transaction wrote a ledger row, nobody says but the database.
      EXECUTE format('GRANT INSERT%s ON %s TO elevate_app', CASE item.relname WHEN 'points_ledger' THEN (
        SELECT format(' (%s)', string_agg(quote_ident(attname), ', ')) FROM pg_attribute
        WHERE attrelid = 'points_ledger'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'stamp') END, item.name);
      IF item.relname <> ALL (add_only) THEN
        EXECUTE format('GRANT UPDATE ON %s TO elevate_app', item.name);
      END IF;
      IF item.relname = ANY (deletable) THEN
        EXECUTE format('GRANT DELETE ON %s TO elevate_app', item.name);
      END IF;
    END IF;
    EXECUTE format('DROP POLICY IF EXISTS service ON %s', item.name);
    EXECUTE format('CREATE POLICY service ON %s TO elevate_app USING (true) WITH CHECK (true)', item.name);
  END LOOP;

  FOR item IN
    SELECT p.oid::regprocedure AS name FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace AND pg_has_role(current_user, p.proowner, 'USAGE')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %s', item.name, public_roles);
    IF service THEN
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO elevate_app', item.name);
    END IF;
  END LOOP;
  IF service THEN
    GRANT USAGE ON SCHEMA public TO elevate_app;
  END IF;
END
$access$
