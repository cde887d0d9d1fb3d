-- drop: DROP FUNCTION kajabi_settle(uuid, text, text, text, integer, uuid, text, text, text, text, text, timestamptz, boolean, boolean, text, text)
-- Writes what an event came to, in one call: the event, and for a grant its ledger row, contact and audit row. Nothing
-- at all when somebody else settled it since it was `seen`. `bound`: the person just got the contact.
CREATE OR REPLACE FUNCTION kajabi_settle(
  event uuid, seen text, verdict text, reason text, points integer, first uuid, person text, what text, contact text,
  address text, course_tag text, happened_at timestamptz, forget boolean, append boolean, bind text, request text,
  OUT settled boolean, OUT bound boolean
)
LANGUAGE plpgsql
AS $$
DECLARE
  stored_at timestamptz;
BEGIN
  UPDATE public.kajabi_events SET
    status = verdict, error = reason, points_awarded = points, duplicate_of = first, user_id = person,
    event_type = what, contact_id = contact, email = CASE WHEN NOT forget THEN address END, tag = course_tag,
    event_time = happened_at, body = CASE WHEN forget THEN '' ELSE body END, attempts = attempts + 1,
    next_attempt_at = NULL, processed_at = CASE WHEN verdict <> 'UNMATCHED' THEN clock_timestamp() END
  WHERE id = event AND status = seen
  RETURNING created_at INTO stored_at;
  settled := FOUND;
  bound := false;
  IF NOT settled OR verdict <> 'PROCESSED' THEN
    RETURN;
  END IF;
  IF append THEN
    -- As LedgerRepository.append: a row of this cause that is there already is this very grant.
    INSERT INTO public.points_ledger (user_id, activity_code, source, delta_points, external_event_id, event_time)
    VALUES (person, 'LEARN', 'WEBHOOK', points, 'kajabi:' || contact || '|tag:' || course_tag,
            coalesce(happened_at, stored_at))
    ON CONFLICT (external_event_id) DO NOTHING;
  END IF;
  IF bind IS NOT NULL THEN
    UPDATE public.users SET kajabi_contact_id = bind WHERE id = person AND kajabi_contact_id IS NULL;
    bound := FOUND;
  END IF;
  INSERT INTO public.audit_log (action, target_type, target_id, details, request_id)
  VALUES ('kajabi.grant', 'user', person,
          jsonb_build_object('eventId', event, 'tag', course_tag, 'points', points, 'bound', bound), request);
END
$$
