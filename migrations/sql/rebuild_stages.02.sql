-- drop: DROP FUNCTION rebuild_stages()
-- A part of rebuild_totals: the stages, from what it has counted. Grants are counted here, with the notes of them that
-- the same statement sees.
CREATE OR REPLACE FUNCTION rebuild_stages() RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  grants bigint;
BEGIN
  WITH notes AS (DELETE FROM grant_changes)
  SELECT count(*) INTO grants FROM kajabi_events WHERE status = 'PROCESSED';
  DELETE FROM stage_totals;
  INSERT INTO stage_totals (activity_code, points, entries, people_with_points, submissions, pending, approved,
    rejected, withdrawn, revoked, reviews, review_seconds, peers_reached, students_reached, participants,
    micro_credentials)
  SELECT code, coalesce(l.points, 0), coalesce(l.entries, 0), coalesce(p.with_points, 0), coalesce(s.submissions, 0),
         coalesce(s.pending, 0), coalesce(s.approved, 0), coalesce(s.rejected, 0), coalesce(s.withdrawn, 0),
         coalesce(s.revoked, 0), coalesce(s.reviews, 0), coalesce(extract(epoch FROM s.waited), 0),
         coalesce(s.peers, 0), coalesce(s.students, 0), coalesce(p.participants, 0),
         CASE code WHEN 'LEARN' THEN grants ELSE 0 END
  FROM (
    SELECT s.* FROM (
      SELECT count(*) FILTER (WHERE learn_points > 0) AS learn, count(*) FILTER (WHERE explore_points > 0) AS explore,
             count(*) FILTER (WHERE amplify_points > 0) AS amplify, count(*) FILTER (WHERE present_points > 0) AS present,
             count(*) FILTER (WHERE shine_points > 0) AS shine,
             count(*) FILTER (WHERE stages_submitted & 1 > 0) AS in_learn,
             count(*) FILTER (WHERE stages_submitted & 2 > 0) AS in_explore,
             count(*) FILTER (WHERE stages_submitted & 4 > 0) AS in_amplify,
             count(*) FILTER (WHERE stages_submitted & 8 > 0) AS in_present,
             count(*) FILTER (WHERE stages_submitted & 16 > 0) AS in_shine
      FROM user_totals_fresh
    ) t CROSS JOIN LATERAL (VALUES
      ('LEARN', t.learn, t.in_learn), ('EXPLORE', t.explore, t.in_explore), ('AMPLIFY', t.amplify, t.in_amplify),
      ('PRESENT', t.present, t.in_present), ('SHINE', t.shine, t.in_shine)) AS s (code, with_points, participants)
  ) p
  LEFT JOIN (
    SELECT activity_code AS code, sum(points) AS points, sum(entries) AS entries FROM rebuilt_ledger GROUP BY 1
  ) l USING (code)
  LEFT JOIN (
    SELECT activity_code AS code, sum(submissions) AS submissions,
           sum(submissions) FILTER (WHERE status = 'PENDING') AS pending,
           sum(submissions) FILTER (WHERE status = 'APPROVED') AS approved,
           sum(submissions) FILTER (WHERE status = 'REJECTED') AS rejected,
           sum(submissions) FILTER (WHERE status = 'WITHDRAWN') AS withdrawn,
           sum(submissions) FILTER (WHERE status = 'REVOKED') AS revoked,
           sum(reviews) AS reviews, sum(waited) AS waited, sum(peers) FILTER (WHERE status = 'APPROVED') AS peers,
           sum(students) FILTER (WHERE status = 'APPROVED') AS students
    FROM rebuilt_submissions WHERE kind = 'reviewed' GROUP BY 1
  ) s USING (code);
END
$$
