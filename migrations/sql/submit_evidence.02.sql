-- drop: DROP FUNCTION submit_evidence(text, timestamptz, text, boolean, text, text, text, jsonb, text, text)
-- A submission by its owner: guard, evidence and audit row in one call. The first six parameters are who calls and what
-- the token says of them (caller_verdict); nothing is written unless the verdict is 'ok'. Limits are the triggers'.
-- The person's row is locked as lock_person does, and read by that: an erasure or a suspension that was a moment
-- earlier is seen, one that is later waits.
CREATE OR REPLACE FUNCTION submit_evidence(
  caller text, said_at timestamptz, mail text, mail_verified boolean, picture text, full_name text,
  stage text, evidence jsonb, shown text, request text
) RETURNS TABLE (verdict text, id uuid, version integer, payload jsonb, created_at timestamptz, updated_at timestamptz)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  person public.users;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    PERFORM public.require_read_committed();
  END IF;
  SELECT * INTO person FROM public.users WHERE id = caller FOR NO KEY UPDATE;
  verdict := public.caller_verdict(person, 'PARTICIPANT', said_at, mail, mail_verified, picture, full_name);
  IF verdict <> 'ok' THEN
    RETURN NEXT;
    RETURN;
  END IF;
  INSERT INTO public.submissions AS s (user_id, activity_code, payload, visibility)
  VALUES (caller, stage, evidence, shown)
  RETURNING s.id, s.version, s.payload, s.created_at, s.updated_at INTO id, version, payload, created_at, updated_at;
  INSERT INTO public.audit_log (actor_id, action, target_type, target_id, details, request_id)
  VALUES (caller, 'submission.create', 'submission', submit_evidence.id::text,
          jsonb_build_object('activityCode', stage, 'version', submit_evidence.version), request);
  RETURN NEXT;
END
$$
