-- drop: DROP FUNCTION judge_amplify_quota(text, uuid, timestamptz, integer, integer, boolean)
-- AMPLIFY quota (shared/domain.md): over any rolling 7 days by created_at, PENDING and APPROVED claims of one person
-- name at most amplify_peer_limit peers and amplify_student_limit students. Judged at `moment`, the submission's own
-- created_at, over every window (end - 7 days, end] that contains it. The caller holds lock_person.
-- The refusal carries limit, used, requested and resets_at as JSON in DETAIL.
CREATE OR REPLACE FUNCTION judge_amplify_quota(
  person text, submission uuid, moment timestamptz, peers integer, students integer, waiting_helps boolean
) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  week CONSTANT interval := interval '7 days';
  peer_limit CONSTANT integer := public.app_limit('amplify_peer_limit', 50);
  student_limit CONSTANT integer := public.app_limit('amplify_student_limit', 200);
  used_peers bigint;
  used_students bigint;
  resets_at timestamptz;
BEGIN
  WITH claims AS (
    SELECT s.created_at AS at, s.peers_trained AS p, s.students_trained AS n
    FROM public.submissions s
    WHERE s.user_id = person AND s.activity_code = 'AMPLIFY' AND s.status IN ('PENDING', 'APPROVED')
      AND s.id <> submission AND s.created_at > moment - week AND s.created_at < moment + week
  ), window_ends AS (
    SELECT at FROM claims WHERE at >= moment UNION SELECT moment
  ), sums AS (
    SELECT e.at, coalesce(sum(c.p), 0) AS p, coalesce(sum(c.n), 0) AS n
    FROM window_ends e LEFT JOIN claims c ON c.at > e.at - week AND c.at <= e.at
    GROUP BY e.at
  )
  SELECT p, n INTO used_peers, used_students FROM sums
  WHERE p + peers > peer_limit OR n + students > student_limit
  ORDER BY at LIMIT 1;
  IF NOT FOUND THEN
    RETURN;
  END IF;

  IF waiting_helps THEN
    -- The first moment at which enough earlier claims have left the window.
    SELECT min(left_at) INTO resets_at FROM (
      SELECT s.created_at + week AS left_at,
             coalesce(sum(s.peers_trained) OVER later, 0) AS p, coalesce(sum(s.students_trained) OVER later, 0) AS n
      FROM public.submissions s
      WHERE s.user_id = person AND s.activity_code = 'AMPLIFY' AND s.status IN ('PENDING', 'APPROVED')
        AND s.id <> submission AND s.created_at > moment - week
      WINDOW later AS (ORDER BY s.created_at DESC, s.id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) remaining
    WHERE p + peers <= peer_limit AND n + students <= student_limit;
  END IF;

  RAISE EXCEPTION 'AMPLIFY quota exceeded'
    USING ERRCODE = 'check_violation', CONSTRAINT = 'submissions_amplify_quota', TABLE = 'submissions',
          DETAIL = json_build_object(
            'limit', json_build_object('peers', peer_limit, 'students', student_limit),
            'used', json_build_object('peers', used_peers, 'students', used_students),
            'requested', json_build_object('peers', peers, 'students', students),
            'resets_at', to_char(resets_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text;
END
$$
