-- drop: DROP FUNCTION note_badge_change()
-- The same for badges, which stand on the board beside the name; once a statement.
CREATE OR REPLACE FUNCTION note_badge_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
  INSERT INTO people_changes (user_id) SELECT user_id FROM after;
  RETURN NULL;
END
$$
