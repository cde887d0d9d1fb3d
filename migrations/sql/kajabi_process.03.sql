-- drop: DROP FUNCTION kajabi_process(uuid, text, text, text, text, text, timestamptz, integer, text, boolean, text)
-- Settles an event of a learn tag in one call: locks and standing (kajabi_standing), the decision (kajabi_decide), what
-- is written for it (kajabi_settle), badges. Nothing is written when it comes to the status that it was `seen` with
-- (`unchanged`), nor when somebody else settled it since (`settled` false). `waiting`: somebody's contact was just
-- bound, and has more events, which belong into this transaction; `alone` says that nothing can follow in it, so then
-- nothing is settled. `first_...`: the event that a duplicate is one of, as it stands.
CREATE OR REPLACE FUNCTION kajabi_process(
  event uuid, seen text, what text, contact text, address text, course_tag text, happened_at timestamptz,
  tag_points integer, chosen text, alone boolean, request text
) RETURNS TABLE (
  unchanged boolean, settled boolean, waiting boolean, person text, verdict text, reason text, points integer,
  appended boolean, first_id uuid, first_status text, first_points integer, badges text[]
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_variable
DECLARE
  standing record;
  decision record;
  written record;
  forgotten boolean := false;
  grant_contact text := contact;
  bind text;
BEGIN
  SELECT * INTO standing FROM public.kajabi_standing(contact, address, course_tag, chosen, true);
  IF FOUND THEN
    person := standing.person_id;
    decision := public.kajabi_decide(
      tag_points, person, standing.erased, standing.granted_event, standing.ledger_person, standing.ledger_points,
      standing.awarded, standing.points_cap);
    verdict := decision.verdict;
    reason := decision.reason;
    points := decision.points;
    appended := decision.append;
    first_id := decision.first;
    forgotten := decision.forget;
  ELSE
    verdict := 'UNMATCHED';
    appended := false;
  END IF;
  unchanged := verdict = seen;
  settled := unchanged;
  waiting := false;
  IF verdict = 'PROCESSED' THEN
    grant_contact := standing.grant_contact;
    IF standing.bound_contact IS NULL AND standing.contact_owner IS NULL THEN
      bind := contact; -- who has another contact keeps it: a second one of theirs is still found by the e-mail
    END IF;
  END IF;
  IF bind IS NOT NULL AND NOT unchanged THEN
    waiting := EXISTS (
      SELECT FROM public.kajabi_events e WHERE e.contact_id = bind AND e.status = 'UNMATCHED' AND e.id <> event);
    IF waiting AND alone THEN
      settled := false;
      RETURN NEXT;
      RETURN;
    END IF;
  END IF;
  IF NOT unchanged THEN
    written := public.kajabi_settle( -- an expression, and so are badges: a query over it would be started and ended
      event, seen, verdict, reason, points, first_id, person, what, grant_contact, address, course_tag, happened_at,
      forgotten, appended, bind, request);
    settled := written.settled;
    waiting := waiting AND written.bound;
    IF settled AND appended THEN
      badges := public.grant_badges_of(person, request);
    END IF;
  END IF;
  IF first_id IS NOT NULL THEN
    SELECT e.status, e.points_awarded INTO first_status, first_points FROM public.kajabi_events e WHERE e.id = first_id;
  END IF;
  RETURN NEXT;
END
$$
