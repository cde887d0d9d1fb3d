-- drop: DROP FUNCTION remove_old_audit(integer, integer)
-- Removes rows of the audit log older than `months`, at most `most`; answers how many. SECURITY DEFINER: the service's
-- role can only add to the audit log. What is younger than half a year stays whoever asks: nobody covers their tracks.
CREATE OR REPLACE FUNCTION remove_old_audit(months integer, most integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
  WITH gone AS (
    DELETE FROM audit_log WHERE id IN (
      SELECT id FROM audit_log WHERE created_at < now() - make_interval(months => greatest(months, 6)) LIMIT most)
    RETURNING 1
  )
  SELECT count(*) FROM gone
$$
