-- drop: DROP FUNCTION judge_decision(submissions, text, boolean, integer, text, integer)
-- May this reviewer decide so about this submission, which is locked with its submitter, and what would it award? The
-- rules of review in one place, for one decision as for many. `refusal` says why not, in the order in which a reviewer
-- is told; `wanted` are points other than the computed ones, for a `reason`; `seen` is the version that was looked at.
-- What else a judgement needs is asked in one query: several would take longer to start than to run.
CREATE OR REPLACE FUNCTION judge_decision(
  submission submissions, reviewer text, approved boolean, wanted integer, reason text, seen integer,
  OUT refusal text, OUT award integer, OUT computed integer, OUT facts jsonb
)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  known record;
  worth record;
BEGIN
  refusal := CASE
    WHEN submission.id IS NULL THEN 'not found'
    WHEN submission.user_id = reviewer THEN 'own'
    WHEN submission.status = 'WITHDRAWN' THEN 'withdrawn'
    WHEN submission.status <> 'PENDING' THEN 'reviewed'
    WHEN seen <> submission.version THEN 'changed'
  END;
  IF refusal = 'changed' THEN
    facts := jsonb_build_object('current_version', submission.version);
  END IF;
  IF refusal IS NOT NULL THEN
    RETURN;
  END IF;
  SELECT
    a AS stage,
    EXISTS (SELECT FROM public.review_claims c WHERE c.submission_id = submission.id
            AND c.reviewer_id <> reviewer AND c.expires_at > clock_timestamp()) AS claimed,
    -- Everything but administrators' adjustments counts against a cap (LedgerRepository.awarded).
    CASE WHEN approved AND a.points_cap IS NOT NULL THEN (
      SELECT coalesce(sum(l.delta_points), 0) FROM public.points_ledger l
      WHERE l.user_id = submission.user_id AND l.activity_code = submission.activity_code
        AND (l.external_event_id IS NULL OR NOT starts_with(l.external_event_id, 'adjustment:'))) END AS awarded,
    -- An approval by an operator's own SQL names no points; its ledger row was written by hand, so it counts.
    approved AND a.code IN ('EXPLORE', 'PRESENT') AND EXISTS (
      SELECT FROM public.submissions o
      WHERE o.user_id = submission.user_id AND o.activity_code = submission.activity_code AND o.status = 'APPROVED'
        AND o.id <> submission.id AND coalesce(o.points_awarded, 1) > 0) AS has_awarded_approval
  INTO known FROM public.activities a WHERE a.code = submission.activity_code;
  IF known.claimed THEN
    refusal := 'claimed';
  END IF;
  IF refusal IS NOT NULL OR NOT approved THEN
    RETURN;
  END IF;
  worth := public.award_of( -- an expression: a query over it would be started and ended
    known.stage, known.awarded, known.has_awarded_approval,
    coalesce(submission.peers_trained, 0), coalesce(submission.students_trained, 0));
  computed := worth.points;
  award := coalesce(wanted, computed);
  IF award NOT BETWEEN worth.lowest AND worth.highest THEN
    refusal := 'out of bounds';
    facts := jsonb_build_object('computed', computed, 'lowest', worth.lowest, 'highest', worth.highest);
  ELSIF award <> computed AND reason IS NULL THEN
    refusal := 'no reason';
  END IF;
END
$$
