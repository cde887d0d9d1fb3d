-- drop: DROP FUNCTION note_badge_change()
-- The same for a badge, which stands on the board beside the name.
CREATE OR REPLACE FUNCTION note_badge_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
  INSERT INTO people_changes (user_id) VALUES (NEW.user_id);
  RETURN NULL;
END
$$
