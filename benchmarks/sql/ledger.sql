-- What awards points besides submissions, the ledger in the order in which it was written, and badges.
INSERT INTO kajabi_events (id, body, body_sha256, event_type, contact_id, email, tag, user_id, status, points_awarded,
                           attempts, event_time, processed_at, created_at)
SELECT bench_uuid(at), body, sha256(body), 'tag_added', (700000 + n)::text,
       'teacher' || n || '@school.example', 'learn_completed', id, 'PROCESSED', 20, 1, at, at, at
FROM (
  SELECT n, id, at, convert_to(json_build_object('id', n, 'event', 'tag_added', 'tag', 'learn_completed')::text, 'UTF8') AS body
  FROM (SELECT n, id, joined + interval '1 day' * (n % 20) AS at FROM bench_person WHERE by_kajabi) granted
  WHERE at < now() - interval '5 minutes'
) delivered
--;
INSERT INTO point_adjustments (id, user_id, activity_code, delta_points, reason, created_by, created_at)
SELECT bench_uuid(at), id, 'AMPLIFY', 5 + n % 20, 'Counted again.',
       'user_2' || substr(md5('person1'), 1, 26), at
FROM (SELECT n, id, joined + (now() - joined) * 0.9 AS at FROM bench_person WHERE n > :staff AND n % 50 = 0) corrected
--;
INSERT INTO points_ledger (id, user_id, activity_code, source, delta_points, external_event_id, event_time, created_at)
SELECT bench_uuid(at), 'user_2' || substr(md5('person' || n), 1, 26), stage,
       CASE kind WHEN 'kajabi' THEN 'WEBHOOK' WHEN 'adjustment' THEN 'MANUAL' ELSE 'FORM' END, points,
       CASE kind WHEN 'kajabi' THEN 'kajabi:' || (700000 + n) || '|tag:learn_completed'
                 WHEN 'adjustment' THEN 'adjustment:' || cause
                 ELSE 'submission:' || cause || ':' || kind || ':v1' END, at, at
FROM (
  -- Sorted while they are small.
  SELECT n, stage, 'approved' AS kind, points, id AS cause, reviewed_at AS at
  FROM bench_event WHERE status IN ('APPROVED', 'REVOKED') AND points > 0
  UNION ALL
  SELECT n, stage, 'revoked', -points, id, reviewed_at + interval '6 hours'
  FROM bench_event WHERE status = 'REVOKED' AND points > 0
  UNION ALL
  SELECT contact_id::integer - 700000, 'LEARN', 'kajabi', points_awarded, NULL, processed_at FROM kajabi_events
  UNION ALL
  SELECT n, activity_code, 'adjustment', delta_points, a.id, created_at
  FROM point_adjustments a JOIN bench_person p ON p.id = a.user_id
  ORDER BY at
) entries
--;
INSERT INTO earned_badges (user_id, badge_code, earned_at)
SELECT 'user_2' || substr(md5('person' || n), 1, 26),
       CASE stage WHEN 'LEARN' THEN 'STARTER' WHEN 'EXPLORE' THEN 'IN_CLASS_INNOVATOR' WHEN 'AMPLIFY' THEN 'AMPLIFIER'
                  WHEN 'PRESENT' THEN 'COMMUNITY_VOICE' ELSE 'SHINE_NOMINEE' END, min(reviewed_at)
FROM bench_event WHERE status IN ('APPROVED', 'REVOKED') GROUP BY n, stage
UNION ALL
SELECT user_id, 'STARTER', processed_at FROM kajabi_events
