-- drop: DROP FUNCTION review_submission(text, timestamptz, text, boolean, text, text, uuid, boolean, text, integer, text, integer, text)
-- One decision in one call: guard, locks (the submitter first, then the submission) and decide_submission. The first
-- six parameters are who calls, see caller_verdict; without 'ok' nothing was looked at. The submission is answered as
-- it stands now, `files` being its finished uploads.
CREATE OR REPLACE FUNCTION review_submission(
  caller text, said_at timestamptz, mail text, mail_verified boolean, picture text, full_name text,
  submission uuid, approved boolean, note text, wanted integer, reason text, seen integer, request text
) RETURNS TABLE (
  verdict text, refusal text, facts jsonb, points integer, badges text[],
  id uuid, user_id text, activity_code text, status text, version integer, visibility text, payload jsonb,
  reviewer_id text, review_note text, points_awarded integer, created_at timestamptz, updated_at timestamptz,
  reviewed_at timestamptz, files jsonb
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  person public.users;
  outcome record;
  found public.submissions;
BEGIN
  SELECT * INTO person FROM public.users WHERE id = caller;
  verdict := public.caller_verdict(person, 'REVIEWER', said_at, mail, mail_verified, picture, full_name);
  IF verdict <> 'ok' THEN
    RETURN NEXT;
    RETURN;
  END IF;
  PERFORM public.lock_person((SELECT s.user_id FROM public.submissions s WHERE s.id = submission AND s.user_id <> caller));
  outcome := public.decide_submission(caller, submission, approved, note, wanted, reason, seen, request);
  refusal := outcome.refusal;
  facts := outcome.facts;
  points := outcome.points;
  badges := outcome.badges;
  found := outcome.decided;
  id := found.id;
  user_id := found.user_id;
  activity_code := found.activity_code;
  status := found.status;
  version := found.version;
  visibility := found.visibility;
  payload := found.payload;
  reviewer_id := found.reviewer_id;
  review_note := found.review_note;
  points_awarded := found.points_awarded;
  created_at := found.created_at;
  updated_at := found.updated_at;
  reviewed_at := found.reviewed_at;
  IF found.files_added > 0 THEN
    files := (
      SELECT jsonb_agg(jsonb_build_object(
        'id', f.id, 'filename', f.filename, 'content_type', f.content_type, 'size', f.size_bytes,
        'sha256', f.sha256, 'created_at', f.created_at) ORDER BY f.created_at, f.id)
      FROM public.submission_attachments f WHERE f.submission_id = found.id AND f.completed_at IS NOT NULL);
  END IF;
  RETURN NEXT;
END
$$
