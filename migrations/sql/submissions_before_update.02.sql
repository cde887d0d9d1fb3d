-- drop: DROP FUNCTION submissions_before_update()
-- The workflow of shared/domain.md: PENDING -> APPROVED | REJECTED | WITHDRAWN, APPROVED -> REVOKED, nothing else.
-- Evidence (payload, visibility, files) changes only while PENDING and raises the version; what a decision wrote stays
-- for good.
CREATE OR REPLACE FUNCTION submissions_before_update() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
  edited CONSTANT boolean := NEW.payload IS DISTINCT FROM OLD.payload OR NEW.visibility <> OLD.visibility
    OR NEW.files_added <> OLD.files_added;
BEGIN
  IF public.restoring() THEN
    RETURN NEW;
  END IF;
  IF (NEW.id, NEW.user_id, NEW.activity_code, NEW.created_at)
     IS DISTINCT FROM (OLD.id, OLD.user_id, OLD.activity_code, OLD.created_at) THEN
    RAISE EXCEPTION 'id, owner, stage and creation of a submission never change'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'submissions_identity', TABLE = 'submissions';
  END IF;
  IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
       ('PENDING', 'APPROVED'), ('PENDING', 'REJECTED'), ('PENDING', 'WITHDRAWN'), ('APPROVED', 'REVOKED')) THEN
    RAISE EXCEPTION 'a submission does not go from % to %', OLD.status, NEW.status
      USING ERRCODE = 'check_violation', CONSTRAINT = 'submissions_workflow', TABLE = 'submissions';
  END IF;
  IF edited AND (OLD.status <> 'PENDING' OR NEW.status <> 'PENDING') THEN
    RAISE EXCEPTION 'evidence changes only while the submission is PENDING'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'submissions_evidence_frozen', TABLE = 'submissions';
  END IF;
  IF (NEW.reviewer_id, NEW.reviewed_at, NEW.review_note, NEW.points_awarded, NEW.adjustment_reason)
     IS DISTINCT FROM (OLD.reviewer_id, OLD.reviewed_at, OLD.review_note, OLD.points_awarded, OLD.adjustment_reason)
     AND NOT (OLD.status = 'PENDING' AND NEW.status IN ('APPROVED', 'REJECTED'))
     OR (NEW.revoked_by, NEW.revoked_at, NEW.revoke_reason)
     IS DISTINCT FROM (OLD.revoked_by, OLD.revoked_at, OLD.revoke_reason)
     AND NOT (OLD.status = 'APPROVED' AND NEW.status = 'REVOKED') THEN
    RAISE EXCEPTION 'what a decision or a revocation wrote stays'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'submissions_decision_frozen', TABLE = 'submissions';
  END IF;

  NEW.version := OLD.version + edited::integer;
  NEW.updated_at := clock_timestamp();
  IF OLD.status = 'PENDING' AND NEW.status IN ('APPROVED', 'REJECTED') THEN
    NEW.reviewed_at := coalesce(NEW.reviewed_at, NEW.updated_at);
  END IF;

  IF edited AND NEW.activity_code = 'AMPLIFY' THEN
    PERFORM public.lock_person(NEW.user_id);
    PERFORM public.judge_amplify_quota(
      NEW.user_id, NEW.id, NEW.created_at,
      coalesce(public.payload_count(NEW.payload, 'peersTrained'), 0),
      coalesce(public.payload_count(NEW.payload, 'studentsTrained'), 0),
      false);
  END IF;
  RETURN NEW;
END
$$
