-- drop: DROP FUNCTION decide_submission(text, uuid, boolean, text, integer, text, integer, text)
-- Decides about one submission, whose submitter is locked: status, award, ledger row, badges, claim and audit row, or
-- nothing when the rules (judge_decision) refuse. decide_submissions writes the same for many, as sets.
CREATE OR REPLACE FUNCTION decide_submission(
  reviewer text, submission uuid, approved boolean, note text, wanted integer, reason text, seen integer, request text,
  OUT refusal text, OUT facts jsonb, OUT points integer, OUT badges text[], OUT decided submissions
)
LANGUAGE plpgsql
AS $$
DECLARE
  judged record;
BEGIN
  SELECT * INTO decided FROM public.submissions s WHERE s.id = submission FOR UPDATE;
  judged := public.judge_decision(decided, reviewer, approved, wanted, reason, seen);
  refusal := judged.refusal;
  facts := judged.facts;
  IF refusal IS NOT NULL THEN
    RETURN;
  END IF;
  points := judged.award;
  UPDATE public.submissions s SET
    status = CASE WHEN approved THEN 'APPROVED' ELSE 'REJECTED' END, reviewer_id = reviewer, review_note = note,
    points_awarded = points, adjustment_reason = CASE WHEN points <> judged.computed THEN reason END
  WHERE s.id = submission RETURNING * INTO decided;
  IF points > 0 THEN
    -- As LedgerRepository.append: a row of this cause that is there already is this very award.
    INSERT INTO public.points_ledger (user_id, activity_code, source, delta_points, external_event_id, event_time)
    VALUES (decided.user_id, decided.activity_code, 'FORM', points,
            format('submission:%s:%s', submission, 'approved:v1'), decided.reviewed_at)
    ON CONFLICT (external_event_id) DO NOTHING;
  END IF;
  IF approved THEN
    badges := public.grant_badges_of(decided.user_id, request);
  END IF;
  DELETE FROM public.review_claims c WHERE c.submission_id = submission;
  INSERT INTO public.audit_log (actor_id, action, target_type, target_id, details, request_id)
  VALUES (reviewer, CASE WHEN approved THEN 'submission.approve' ELSE 'submission.reject' END, 'submission',
          submission::text,
          CASE WHEN approved THEN jsonb_build_object('points', points, 'computed', judged.computed,
                                                     'version', decided.version, 'badges', to_jsonb(badges))
               ELSE jsonb_build_object('version', decided.version) END,
          request);
END
$$
