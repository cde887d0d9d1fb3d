-- drop: DROP FUNCTION note_grant_change()
-- Counts the grants of Kajabi tags (one a person and tag, kajabi_events_user_id_tag_key) up and down for the fold.
CREATE OR REPLACE FUNCTION note_grant_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
  before CONSTANT boolean := TG_OP <> 'INSERT' AND OLD.status = 'PROCESSED';
  after CONSTANT boolean := TG_OP <> 'DELETE' AND NEW.status = 'PROCESSED';
BEGIN
  IF before <> after THEN
    INSERT INTO grant_changes (sign) VALUES (after::integer - before::integer);
  END IF;
  RETURN NULL;
END
$$
