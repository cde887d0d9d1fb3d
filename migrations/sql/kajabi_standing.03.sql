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
  found_id text;
  addressed boolean;
  gone boolean;
  erased_before boolean;
BEGIN
  IF locking THEN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      PERFORM public.require_read_committed();
    END IF;
    IF address IS NOT NULL THEN
      PERFORM pg_advisory_xact_lock(hashtextextended('elevate:email:' || address, 0));
    END IF;
    IF contact IS NOT NULL THEN
      PERFORM pg_advisory_xact_lock(hashtextextended('elevate:contact:' || contact, 0));
    END IF;
  END IF;
  LOOP
    contact_owner := (SELECT id FROM public.users WHERE kajabi_contact_id = contact);
    found_id := coalesce(chosen, contact_owner);
    IF found_id IS NULL THEN
      found_id := (SELECT id FROM public.users WHERE lower(email) = address AND email_verified AND erased_at IS NULL);
    END IF;
    IF locking THEN
      -- As lock_person does; what comes with a lock is the row as it is once nobody else has it.
      SELECT id, kajabi_contact_id, lower(email) = address AND email_verified, erased_at IS NOT NULL
      INTO person_id, bound_contact, addressed, gone FROM public.users WHERE id = found_id FOR NO KEY UPDATE;
    ELSE
      SELECT id, kajabi_contact_id, erased_at IS NOT NULL INTO person_id, bound_contact, gone
      FROM public.users WHERE id = found_id;
    END IF;
    EXIT WHEN NOT locking OR found_id IS NULL;
    -- Whoever gives up an address or a contact takes no lock of it: while theirs was waited for, they may have.
    IF chosen IS NOT NULL THEN
      contact_owner := (SELECT id FROM public.users WHERE kajabi_contact_id = contact);
      EXIT;
    END IF;
    EXIT WHEN bound_contact = contact OR (contact_owner IS NULL AND addressed AND NOT gone);
  END LOOP;
  IF bound_contact = contact THEN
    contact_owner := person_id;
  END IF;
  -- An erasure may have come first while the lock was waited for.
  IF chosen IS NULL AND gone THEN
    person_id := NULL;
    bound_contact := NULL;
  END IF;
  grant_contact := coalesce(contact, bound_contact, 'user:' || person_id);
  -- All that is known under the locks at once: a query of its own for each would take longer to start than to run. A
  -- contact that is nobody's now, and was that of somebody who was erased, waits for nobody. Administrators'
  -- adjustments do not use up the cap, as in LedgerRepository.awarded.
  SELECT
    coalesce(
      (SELECT id FROM public.kajabi_events WHERE status = 'PROCESSED' AND tag = course_tag AND user_id = person_id),
      (SELECT id FROM public.kajabi_events WHERE status = 'PROCESSED' AND tag = course_tag AND contact_id = grant_contact)),
    EXISTS (
      SELECT FROM public.kajabi_events e JOIN public.users u ON u.id = e.user_id
      WHERE e.contact_id = contact AND e.status = 'PROCESSED' AND u.erased_at IS NOT NULL),
    (SELECT coalesce(sum(delta_points), 0) FROM public.points_ledger
     WHERE user_id = person_id AND activity_code = 'LEARN'
       AND (external_event_id IS NULL OR NOT starts_with(external_event_id, 'adjustment:'))),
    a.points_cap, l.user_id, l.delta_points
  INTO granted_event, erased_before, awarded, points_cap, ledger_person, ledger_points
  FROM public.activities a
  LEFT JOIN public.points_ledger l ON l.external_event_id = 'kajabi:' || grant_contact || '|tag:' || course_tag
  WHERE a.code = 'LEARN';
  IF person_id IS NULL AND granted_event IS NULL AND NOT erased_before THEN
    RETURN;
  END IF;
  erased := CASE WHEN person_id IS NULL THEN erased_before ELSE gone END;
  RETURN NEXT;
END
$$
