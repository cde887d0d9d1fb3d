-- drop: DROP FUNCTION decide_submissions(text, uuid[], boolean[], text[], integer[], text)
-- Decides about many submissions by the rules of judge_decision, and writes what decide_submission writes for one, as
-- sets. The submitters are locked, and each of them occurs once: what somebody is awarded depends on what they were
-- awarded before.
-- A row for each id in the order given; `refusal` says why nothing was done about it, `facts` what goes with that.
-- What only the database can refuse (a certificate approved elsewhere this moment) is raised and stops them all.
CREATE OR REPLACE FUNCTION decide_submissions(
  reviewer text, ids uuid[], approvals boolean[], notes text[], versions integer[], request text
) RETURNS TABLE (place bigint, submission uuid, refusal text, facts jsonb, points integer, badges text[])
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  rewarded text[];
  granted jsonb := '{}';
  outcome jsonb;
BEGIN
  -- After the people. Read again below: whoever held one of these locks may have decided.
  PERFORM 1 FROM public.submissions WHERE id = ANY (ids) ORDER BY id FOR UPDATE;
  WITH asked AS (
    SELECT * FROM unnest(ids, approvals, notes, versions) WITH ORDINALITY AS a (id, approved, note, version, place)
  ), judged AS MATERIALIZED (
    SELECT a.*, w.award, w.computed, w.refusal, w.facts
    FROM asked a LEFT JOIN public.submissions s ON s.id = a.id
    CROSS JOIN LATERAL public.judge_decision(s, reviewer, a.approved, NULL, NULL, a.version) w
  ), decided AS (
    UPDATE public.submissions s SET
      status = CASE WHEN j.approved THEN 'APPROVED' ELSE 'REJECTED' END,
      reviewer_id = reviewer, review_note = j.note, points_awarded = j.award
    FROM judged j WHERE s.id = j.id AND j.refusal IS NULL
    RETURNING s.id, s.user_id, s.activity_code, s.version, s.points_awarded, s.reviewed_at, j.approved, j.computed
  ), entries AS (
    -- As LedgerRepository.append: a row of this cause that is there already is this very award.
    INSERT INTO public.points_ledger (user_id, activity_code, source, delta_points, external_event_id, event_time)
    SELECT user_id, activity_code, 'FORM', points_awarded, format('submission:%s:%s', id, 'approved:v1'), reviewed_at
    FROM decided WHERE points_awarded > 0
    ON CONFLICT (external_event_id) DO NOTHING
  ), released AS (
    DELETE FROM public.review_claims c USING decided d WHERE c.submission_id = d.id
  )
  SELECT jsonb_agg(jsonb_build_object(
           'place', j.place, 'id', j.id, 'refusal', j.refusal, 'person', d.user_id, 'approved', j.approved,
           'points', d.points_awarded, 'computed', d.computed, 'version', d.version,
           'facts', j.facts) ORDER BY j.place),
         array_agg(d.user_id) FILTER (WHERE d.approved)
  INTO outcome, rewarded
  FROM judged j LEFT JOIN decided d ON d.id = j.id;

  IF rewarded IS NOT NULL THEN
    -- A statement of its own: it must see the approvals and the ledger rows.
    SELECT coalesce(jsonb_object_agg(person, earned), '{}') INTO granted FROM (
      SELECT g.person, jsonb_agg(g.badge ORDER BY g.badge) AS earned
      FROM public.grant_badges(rewarded, request) g GROUP BY g.person
    ) t;
  END IF;
  RETURN QUERY
  WITH done AS (
    SELECT * FROM jsonb_to_recordset(outcome) AS o (
      place bigint, id uuid, refusal text, person text, approved boolean, points integer, computed integer,
      version integer, facts jsonb)
  ), told AS (
    INSERT INTO public.audit_log (actor_id, action, target_type, target_id, details, request_id)
    SELECT reviewer, CASE WHEN approved THEN 'submission.approve' ELSE 'submission.reject' END, 'submission', id::text,
           CASE WHEN approved THEN jsonb_build_object('points', points, 'computed', computed, 'version', version,
                                                      'badges', coalesce(granted -> person, '[]'))
                ELSE jsonb_build_object('version', version) END,
           request
    FROM done WHERE refusal IS NULL ORDER BY place
  )
  SELECT d.place, d.id, d.refusal, d.facts, d.points,
         ARRAY(SELECT jsonb_array_elements_text(granted -> d.person)) FROM done d ORDER BY d.place;
END
$$
