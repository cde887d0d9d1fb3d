-- drop: DROP FUNCTION note_submission_change()
-- Leaves for the next fold what a submission counted before (-1) and what it counts now (+1). Who it belongs to and
-- when it was made never change but by an operator's hand (elevate.restore): that asks for a rebuild, as it may take
-- away somebody's only submission of a stage or a day.
CREATE OR REPLACE FUNCTION note_submission_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
  writer CONSTANT bigint := pg_current_xact_id()::text::bigint;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (OLD.user_id, OLD.activity_code, OLD.created_at) IS DISTINCT FROM (NEW.user_id, NEW.activity_code, NEW.created_at) THEN
      INSERT INTO rebuild_requests (reason) VALUES ('a submission was given to another person, stage or moment');
    END IF;
    INSERT INTO submission_changes (stamp, user_id, activity_code, status, made_at, reviewed_at, peers, students, sign, added)
    VALUES (writer, OLD.user_id, OLD.activity_code, OLD.status, OLD.created_at, OLD.reviewed_at, OLD.peers_trained,
            OLD.students_trained, -1, false);
  END IF;
  INSERT INTO submission_changes (stamp, user_id, activity_code, status, made_at, reviewed_at, peers, students, sign, added)
  VALUES (writer, NEW.user_id, NEW.activity_code, NEW.status, NEW.created_at, NEW.reviewed_at, NEW.peers_trained,
          NEW.students_trained, 1, TG_OP = 'INSERT');
  RETURN NULL;
END
$$
