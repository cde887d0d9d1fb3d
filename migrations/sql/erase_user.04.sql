-- drop: DROP FUNCTION erase_user(text)
-- Removes what identifies a person; their id stays as a pseudonym, ledger, decisions and counts stay as they are
-- (shared/domain.md, "Erasure and retention"). False when nobody has this id or it was done before.
-- SECURITY DEFINER: the service's role may neither change a decision nor the audit log. The caller holds the person's
-- lock and writes the audit row. Raises users_last_superadmin.
CREATE OR REPLACE FUNCTION erase_user(person text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
  gone users;
  switch CONSTANT text := coalesce(current_setting('elevate.restore', true), '');
  address text;
  named text[];
BEGIN
  PERFORM lock_person(person);
  SELECT * INTO gone FROM users WHERE id = person AND erased_at IS NULL;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE users SET
    handle = 'erased-' || encode(substring(uuid_send(gen_random_uuid()) FROM 1 FOR 6), 'hex'), name = '', email = NULL,
    email_verified = false, avatar_url = NULL, region = NULL, school = NULL, cohort = NULL, show_on_leaderboard = false,
    kajabi_contact_id = NULL, erase_at = NULL, erased_at = clock_timestamp()
  WHERE id = person;

  -- The workflow and the add-only rules give way to an erasure; the switch counts only for the tables' owner.
  PERFORM set_config('elevate.restore', 'on', true);
  DELETE FROM submission_attachments WHERE submission_id IN (SELECT id FROM submissions WHERE user_id = person);
  -- Counts stay for the views; the certificate's hash for the rule that one certificate serves one person.
  UPDATE submissions SET
    payload = jsonb_strip_nulls(jsonb_build_object(
      'peersTrained', payload -> 'peersTrained', 'studentsTrained', payload -> 'studentsTrained',
      'certificateHash', payload -> 'certificateHash')),
    visibility = 'PRIVATE',
    status = CASE status WHEN 'PENDING' THEN 'WITHDRAWN' ELSE status END,
    review_note = CASE WHEN review_note IS NOT NULL THEN '[erased]' END,
    adjustment_reason = CASE WHEN adjustment_reason IS NOT NULL THEN '[erased]' END,
    revoke_reason = CASE WHEN revoke_reason IS NOT NULL THEN '[erased]' END
  WHERE user_id = person;
  -- After their submissions, whose locks keep reviewers from claiming one in between.
  DELETE FROM review_claims WHERE reviewer_id = person
    OR submission_id IN (SELECT id FROM submissions WHERE user_id = person);
  UPDATE point_adjustments SET reason = '[erased]' WHERE user_id = person;
  -- Others who trained with them named them there.
  named := array_remove(ARRAY[nullif(gone.name, ''), gone.email, gone.handle, '@' || gone.handle], NULL);
  UPDATE submissions SET payload = jsonb_set(payload, '{coFacilitators}', (
      SELECT jsonb_agg(CASE WHEN somebody = ANY (named) THEN '[erased]' ELSE somebody END ORDER BY place)
      FROM jsonb_array_elements_text(payload -> 'coFacilitators') WITH ORDINALITY AS list (somebody, place)))
  WHERE activity_code = 'AMPLIFY' AND payload -> 'coFacilitators' ?| named;
  -- Answers kept for 24 hours: theirs, once nobody is just keeping one (idempotency_keys_before_insert); and those about
  -- them, of who is staff or was when it was given.
  PERFORM pg_advisory_xact_lock(hashtextextended('elevate:answers:' || person, 0));
  DELETE FROM idempotency_keys WHERE user_id = person
    OR (user_id IN (SELECT id FROM users WHERE role <> 'PARTICIPANT'
                    UNION ALL SELECT target_id FROM audit_log
                    WHERE action = 'user.role' AND created_at > clock_timestamp() - interval '25 hours')
        AND position(convert_to(person, 'UTF8') IN body) > 0);

  -- Deliveries: theirs, and those that name their contact or their address, unless the address is somebody else's now.
  address := lower(gone.email);
  IF EXISTS (SELECT FROM users WHERE lower(email) = address AND email_verified AND erased_at IS NULL) THEN
    address := NULL;
  END IF;
  UPDATE kajabi_events SET
    body = '', email = NULL, next_attempt_at = NULL,
    -- On a grant the contact stays: it is in the ledger's name of it, and keeps the grant from being made again.
    contact_id = CASE WHEN status = 'PROCESSED' THEN contact_id END,
    error = CASE WHEN status IN ('RECEIVED', 'UNMATCHED', 'FAILED') THEN 'the person was erased' ELSE error END,
    processed_at = coalesce(processed_at, clock_timestamp()),
    status = CASE WHEN status IN ('RECEIVED', 'UNMATCHED', 'FAILED') THEN 'IGNORED' ELSE status END
  WHERE user_id = person
     OR (user_id IS NULL AND (email = address OR contact_id = gone.kajabi_contact_id))
     -- What could not be read was never taken apart.
     OR (status = 'FAILED' AND email IS NULL AND position(address IN lower(encode(body, 'escape'))) > 0);

  UPDATE audit_log SET details = coalesce(
    (SELECT jsonb_object_agg(key, value) FROM jsonb_each(details)
     WHERE jsonb_typeof(value) IN ('number', 'boolean', 'null')
        OR key IN ('before', 'after', 'badge', 'badges', 'fields', 'activityCode', 'adjustment', 'userId')), '{}')
  WHERE details <> '{}' AND (
    (target_type = 'user' AND target_id = person)
    OR (target_type = 'submission' AND target_id IN (SELECT id::text FROM submissions WHERE user_id = person)));
  PERFORM set_config('elevate.restore', switch, true);
  RETURN true;
END
$$
