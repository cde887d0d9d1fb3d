-- drop: DROP FUNCTION kajabi_standing(text, text, text, text, boolean)
-- Whom a grant of this tag would go to, and everything that decides what it is worth; no row for nobody.
-- By contact first, then by verified e-mail (shared/domain.md); `chosen` names the person instead.
-- `locking`: take the locks of the whole service, in its order: address, contact, person. Whoever gives an address or a
-- contact to a person takes the first two as well, so "nobody" stays true until this transaction has ended. Each query
-- sees what was committed before it began (READ COMMITTED), so what is read after a lock was waited for is fresh.
CREATE OR REPLACE FUNCTION kajabi_standing(contact text, address text, course_tag text, chosen text, locking boolean)
RETURNS TABLE (
  person_id text, erased boolean, bound_contact text, contact_owner text, grant_contact text,
  awarded bigint, points_cap integer, granted_event uuid, ledger_person text, ledger_points integer
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  person public.users;
  found_id text;
  erased_before boolean;
BEGIN
  IF locking AND address IS NOT NULL THEN
    PERFORM pg_advisory_xact_lock(hashtextextended('elevate:email:' || address, 0));
  END IF;
  IF locking AND contact IS NOT NULL THEN
    PERFORM pg_advisory_xact_lock(hashtextextended('elevate:contact:' || contact, 0));
  END IF;
  LOOP
    found_id := coalesce(
      chosen,
      (SELECT id FROM public.users WHERE kajabi_contact_id = contact),
      (SELECT id FROM public.users WHERE lower(email) = address AND email_verified AND erased_at IS NULL));
    IF locking THEN
      PERFORM public.lock_person(found_id);
    END IF;
    SELECT * INTO person FROM public.users WHERE id = found_id;
    contact_owner := (SELECT id FROM public.users WHERE kajabi_contact_id = contact);
    -- Whoever gives up an address or a contact takes no lock of it: while theirs was waited for, they may have.
    EXIT WHEN NOT locking OR chosen IS NOT NULL OR found_id IS NULL OR contact_owner = found_id
      OR (contact_owner IS NULL AND lower(person.email) = address AND person.email_verified
          AND person.erased_at IS NULL);
  END LOOP;
  -- An erasure may have come first while the lock was waited for.
  IF chosen IS NULL AND person.erased_at IS NOT NULL THEN
    person := NULL;
  END IF;
  -- A contact that is nobody's now, and was that of somebody who was erased, waits for nobody.
  granted_event := (SELECT id FROM public.kajabi_events
                    WHERE status = 'PROCESSED' AND tag = course_tag AND contact_id = contact);
  erased_before := EXISTS (
    SELECT FROM public.kajabi_events e JOIN public.users u ON u.id = e.user_id
    WHERE e.contact_id = contact AND e.status = 'PROCESSED' AND u.erased_at IS NOT NULL);
  IF person.id IS NULL AND granted_event IS NULL AND NOT erased_before THEN
    RETURN;
  END IF;
  person_id := person.id;
  erased := CASE WHEN person.id IS NULL THEN erased_before ELSE person.erased_at IS NOT NULL END;
  bound_contact := person.kajabi_contact_id;
  grant_contact := coalesce(contact, person.kajabi_contact_id, 'user:' || person.id);
  granted_event := coalesce(
    (SELECT id FROM public.kajabi_events WHERE status = 'PROCESSED' AND tag = course_tag AND user_id = person.id),
    granted_event,
    (SELECT id FROM public.kajabi_events
     WHERE status = 'PROCESSED' AND tag = course_tag AND contact_id = grant_contact));
  -- As LedgerRepository.awarded: administrators' adjustments do not use up the cap.
  awarded := (SELECT coalesce(sum(delta_points), 0) FROM public.points_ledger
              WHERE user_id = person.id AND activity_code = 'LEARN'
                AND (external_event_id IS NULL OR NOT starts_with(external_event_id, 'adjustment:')));
  points_cap := (SELECT a.points_cap FROM public.activities a WHERE code = 'LEARN');
  SELECT user_id, delta_points INTO ledger_person, ledger_points FROM public.points_ledger
  WHERE external_event_id = 'kajabi:' || grant_contact || '|tag:' || course_tag;
  RETURN NEXT;
END
$$
