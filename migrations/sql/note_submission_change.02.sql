-- drop: DROP FUNCTION note_submission_change()
-- Leaves for the next fold what submissions counted before (-1) and what they count now (+1), once a statement: a
-- hundred decisions pay for one call. Who a submission belongs to and when it was made never change but by an operator's
-- hand (elevate.restore): that asks for a rebuild, as it may take away somebody's only submission of a stage or a day.
CREATE OR REPLACE FUNCTION note_submission_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
  writer CONSTANT bigint := pg_current_xact_id()::text::bigint;
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO submission_changes (stamp, user_id, activity_code, status, made_at, reviewed_at, peers, students, sign, added)
    SELECT writer, user_id, activity_code, status, created_at, reviewed_at, peers_trained, students_trained, 1, true
    FROM after;
    RETURN NULL;
  END IF;
  INSERT INTO submission_changes (stamp, user_id, activity_code, status, made_at, reviewed_at, peers, students, sign, added)
  SELECT writer, c.* FROM before o FULL JOIN after n USING (id)
  CROSS JOIN LATERAL (VALUES
    (o.user_id, o.activity_code, o.status, o.created_at, o.reviewed_at, o.peers_trained, o.students_trained, -1, false),
    (n.user_id, n.activity_code, n.status, n.created_at, n.reviewed_at, n.peers_trained, n.students_trained, 1, false)
  ) AS c
  WHERE (o.user_id, o.activity_code, o.status, o.created_at, o.reviewed_at, o.peers_trained, o.students_trained)
        IS DISTINCT FROM
        (n.user_id, n.activity_code, n.status, n.created_at, n.reviewed_at, n.peers_trained, n.students_trained)
    AND c.column1 IS NOT NULL; -- somebody changed an id: the other half of the pair is a row of its own
  IF public.restoring() AND EXISTS (
    SELECT FROM before o FULL JOIN after n USING (id)
    WHERE (o.user_id, o.activity_code, o.created_at) IS DISTINCT FROM (n.user_id, n.activity_code, n.created_at)
  ) THEN
    INSERT INTO rebuild_requests (reason) VALUES ('a submission was given to another person, stage or moment');
  END IF;
  RETURN NULL;
END
$$
