-- Submissions in the order in which they came, and a ledger in the order in which it was written.
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
--;
INSERT INTO kajabi_events (id, body, body_sha256, event_type, contact_id, email, tag, user_id, status, points_awarded,
                           attempts, event_time, processed_at, created_at)
SELECT bench_uuid(at, 'kajabi' || n), body, sha256(body), 'tag_added', (700000 + n)::text,
       'teacher' || n || '@school.example', 'learn_completed', id, 'PROCESSED', 20, 1, at, at, at
FROM (
  SELECT n, id, at, convert_to(json_build_object('id', n, 'event', 'tag_added', 'tag', 'learn_completed')::text, 'UTF8') AS body
  FROM (SELECT n, id, joined + interval '1 day' * (n % 20) AS at FROM bench_person WHERE by_kajabi) granted
  WHERE at < now() - interval '5 minutes'
) delivered
--;
INSERT INTO point_adjustments (id, user_id, activity_code, delta_points, reason, created_by, created_at)
SELECT bench_uuid(at, 'adjustment' || n), id, 'AMPLIFY', 5 + n % 20, 'Counted again.',
       'user_2' || substr(md5('person1'), 1, 26), at
FROM (SELECT n, id, joined + (now() - joined) * 0.9 AS at FROM bench_person WHERE n > :staff AND n % 50 = 0) corrected
--;
INSERT INTO points_ledger (id, user_id, activity_code, source, delta_points, external_event_id, event_time, created_at)
SELECT bench_uuid(at, 'entry' || cause), user_id, stage, source, points, cause, at, at
FROM (
  SELECT 'user_2' || substr(md5('person' || n), 1, 26) AS user_id, stage, 'FORM' AS source, points, 'submission:' || id || ':approved:v1' AS cause,
         reviewed_at AS at
  FROM bench_event WHERE status IN ('APPROVED', 'REVOKED') AND points > 0
  UNION ALL
  SELECT 'user_2' || substr(md5('person' || n), 1, 26), stage, 'FORM', -points, 'submission:' || id || ':revoked:v1', reviewed_at + interval '6 hours'
  FROM bench_event WHERE status = 'REVOKED' AND points > 0
  UNION ALL
  SELECT user_id, 'LEARN', 'WEBHOOK', points_awarded, 'kajabi:' || contact_id || '|tag:' || tag, processed_at FROM kajabi_events
  UNION ALL
  SELECT user_id, activity_code, 'MANUAL', delta_points, 'adjustment:' || id, created_at FROM point_adjustments
) entries
ORDER BY at
--;
INSERT INTO earned_badges (user_id, badge_code, earned_at)
SELECT 'user_2' || substr(md5('person' || n), 1, 26),
       CASE stage WHEN 'LEARN' THEN 'STARTER' WHEN 'EXPLORE' THEN 'IN_CLASS_INNOVATOR' WHEN 'AMPLIFY' THEN 'AMPLIFIER'
                  WHEN 'PRESENT' THEN 'COMMUNITY_VOICE' ELSE 'SHINE_NOMINEE' END, min(reviewed_at)
FROM bench_event WHERE status IN ('APPROVED', 'REVOKED') GROUP BY n, stage
UNION ALL
SELECT user_id, 'STARTER', processed_at FROM kajabi_events
--;
DROP TABLE bench_event, bench_person
--;
DROP FUNCTION bench_uuid(timestamptz, text)
