-- drop: DROP FUNCTION totals_are_foreign(totals_state)
-- Whether transaction ids of this cluster do not continue those of the last fold: a dump restored elsewhere.
CREATE OR REPLACE FUNCTION totals_are_foreign(state totals_state) RETURNS boolean
LANGUAGE sql STABLE
AS $$
  SELECT state.system_identifier <> (SELECT system_identifier FROM pg_control_system())
      OR pg_snapshot_xmax(state.folded::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot())
$$
