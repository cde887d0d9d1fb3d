-- drop: DROP FUNCTION kajabi_final()
-- A processed event is final: what it granted, to whom and for what stays. An erasure still removes what was sent.
CREATE OR REPLACE FUNCTION kajabi_final() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  IF (NEW.id, NEW.status, NEW.user_id, NEW.contact_id, NEW.tag, NEW.points_awarded, NEW.created_at)
     IS DISTINCT FROM (OLD.id, OLD.status, OLD.user_id, OLD.contact_id, OLD.tag, OLD.points_awarded, OLD.created_at)
     AND NOT public.restoring() THEN
    RAISE EXCEPTION 'a processed event is final'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'kajabi_events_final', TABLE = 'kajabi_events';
  END IF;
  RETURN NEW;
END
$$
