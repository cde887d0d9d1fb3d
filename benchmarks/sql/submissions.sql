-- Submissions in the order in which they came.
INSERT INTO submissions (id, user_id, activity_code, status, visibility, payload, reviewer_id, review_note, points_awarded,
                         reviewed_at, revoked_by, revoked_at, revoke_reason, created_at, updated_at)
SELECT e.id, 'user_2' || substr(md5('person' || e.n), 1, 26), e.stage, e.status,
       CASE WHEN e.n % 4 = 0 THEN 'PUBLIC' ELSE 'PRIVATE' END,
       CASE e.stage
         WHEN 'AMPLIFY' THEN jsonb_build_object('peersTrained', e.peers, 'studentsTrained', e.students,
                                                'sessionDate', to_char(e.at - interval '1 day', 'YYYY-MM-DD'))
         WHEN 'LEARN' THEN jsonb_build_object('provider', 'SPL', 'courseName', 'Elevate AI',
                                              'completedAt', to_char(e.at - interval '1 day', 'YYYY-MM-DD'))
         WHEN 'EXPLORE' THEN jsonb_build_object(
           'reflection', repeat('My class compared two answers of an assistant and looked for what was wrong. ', 2) || e.n,
           'classDate', to_char(e.at - interval '1 day', 'YYYY-MM-DD'))
         WHEN 'PRESENT' THEN jsonb_build_object('linkedinUrl', 'https://www.linkedin.com/posts/' || e.n, 'caption', 'My story')
         ELSE jsonb_build_object('ideaTitle', 'An idea', 'ideaSummary', 'Schools of a district share what they tried.')
       END,
       CASE WHEN decided THEN reviewer END, CASE WHEN e.status = 'REJECTED' THEN 'The photo shows another class.' END,
       CASE WHEN e.status IN ('APPROVED', 'REVOKED') THEN e.points END,
       CASE WHEN decided THEN e.reviewed_at END,
       CASE WHEN e.status = 'REVOKED' THEN reviewer END,
       CASE WHEN e.status = 'REVOKED' THEN e.reviewed_at + interval '6 hours' END,
       CASE WHEN e.status = 'REVOKED' THEN 'Sent in twice.' END,
       e.at, CASE WHEN decided THEN e.reviewed_at ELSE e.at END
FROM (
  SELECT *, status IN ('APPROVED', 'REJECTED', 'REVOKED') AS decided,
         'user_2' || substr(md5('person' || 2 + n % (:staff - 1)), 1, 26) AS reviewer
  FROM bench_event
) e
