-- drop: DROP FUNCTION request_rebuild()
-- Rows that a fold has counted went away, which only an operator does: the next fold counts everything anew.
CREATE OR REPLACE FUNCTION request_rebuild() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
  INSERT INTO rebuild_requests (reason) VALUES (lower(TG_OP) || ' on ' || TG_TABLE_NAME);
  RETURN NULL;
END
$$
