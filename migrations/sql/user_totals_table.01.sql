-- drop: DROP FUNCTION user_totals_table(text)
-- Makes the table of the totals under a name; the migration does, and a rebuild that puts a new one in its place.
-- Settings: room on a page so that most updates stay on it, and a vacuum long before a fifth of it is dead.
CREATE OR REPLACE FUNCTION user_totals_table(name text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format($table$
    CREATE TABLE %I (
      user_id text NOT NULL,
      on_board boolean NOT NULL,
      cohort text,
      school text,
      total_points bigint NOT NULL DEFAULT 0,
      entries bigint NOT NULL DEFAULT 0,
      reached_at timestamptz,
      points_30d bigint NOT NULL DEFAULT 0,
      entries_30d bigint NOT NULL DEFAULT 0,
      learn_points integer NOT NULL DEFAULT 0,
      explore_points integer NOT NULL DEFAULT 0,
      amplify_points integer NOT NULL DEFAULT 0,
      present_points integer NOT NULL DEFAULT 0,
      shine_points integer NOT NULL DEFAULT 0,
      submissions integer NOT NULL DEFAULT 0,
      approved integer NOT NULL DEFAULT 0,
      pending integer NOT NULL DEFAULT 0,
      stages_submitted smallint NOT NULL DEFAULT 0
    ) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05)
  $table$, name);
END
$$
