-- drop: DROP FUNCTION grant_badges_of(text, text)
-- Gives somebody, who is locked, every badge whose criteria they meet now, with an audit row each; answers the codes of
-- those that were given, sorted. grant_badges does the same for many. What they have is summed once, and only while
-- there is a badge that they have not. In a loop, as a statement that does it all takes longer to start than this takes.
CREATE OR REPLACE FUNCTION grant_badges_of(person text, request text) RETURNS text[]
LANGUAGE plpgsql
AS $$
DECLARE
  given text[] := '{}';
  candidate record;
  points jsonb;
  approvals jsonb;
BEGIN
  FOR candidate IN
    SELECT b.code, b.criteria FROM public.badges b
    WHERE b.active AND b.criteria <> '{}'
      AND NOT EXISTS (SELECT FROM public.earned_badges e WHERE e.user_id = person AND e.badge_code = b.code)
    ORDER BY b.code
  LOOP
    IF points IS NULL THEN
      SELECT
        (SELECT coalesce(jsonb_object_agg(t.code, t.points), '{}') FROM (
           SELECT l.activity_code AS code, sum(l.delta_points) AS points FROM public.points_ledger l
           WHERE l.user_id = person GROUP BY l.activity_code) t),
        (SELECT coalesce(jsonb_object_agg(t.code, t.approvals), '{}') FROM (
           SELECT s.activity_code AS code, count(*) AS approvals FROM public.submissions s
           WHERE s.user_id = person AND s.status = 'APPROVED' GROUP BY s.activity_code) t)
      INTO points, approvals;
    END IF;
    CONTINUE WHEN NOT public.badge_met(candidate.criteria, points, approvals);
    INSERT INTO public.earned_badges (user_id, badge_code) VALUES (person, candidate.code) ON CONFLICT DO NOTHING;
    CONTINUE WHEN NOT FOUND;
    INSERT INTO public.audit_log (action, target_type, target_id, details, request_id)
    VALUES ('badge.grant', 'user', person, jsonb_build_object('badge', candidate.code), request);
    given := given || candidate.code;
  END LOOP;
  RETURN given;
END
$$
