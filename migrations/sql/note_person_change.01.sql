-- drop: DROP FUNCTION note_person_change()
-- Leaves a note for the next fold that somebody's row may look different on the board. A new row each time: no writer
-- ever waits for another. SECURITY DEFINER: nobody but the triggers writes notes.
CREATE OR REPLACE FUNCTION note_person_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
  INSERT INTO people_changes (user_id) VALUES (NEW.id);
  RETURN NULL;
END
$$
