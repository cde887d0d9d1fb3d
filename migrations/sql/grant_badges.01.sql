-- drop: DROP FUNCTION grant_badges(text[], text)
-- Gives these people, who are locked, every badge whose criteria they meet now, with an audit row each; a row per badge
-- that was given. Called in the transaction of the row that earns it, after that row. What somebody has is summed once,
-- and only while there is a badge that they have not. A loop, as one statement for all of it takes longer to start than
-- these take to run, for one person as for a hundred.
CREATE OR REPLACE FUNCTION grant_badges(people text[], request text) RETURNS TABLE (person text, badge text)
LANGUAGE plpgsql
AS $$
DECLARE
  points jsonb;
  approvals jsonb;
  criteria jsonb;
BEGIN
  FOREACH person IN ARRAY people LOOP
    points := NULL;
    FOR badge, criteria IN
      SELECT b.code, b.criteria FROM public.badges b
      WHERE b.active AND b.criteria <> '{}'
        AND NOT EXISTS (SELECT FROM public.earned_badges e WHERE e.user_id = person AND e.badge_code = b.code)
      ORDER BY b.code
    LOOP
      IF points IS NULL THEN
        points := (
          SELECT coalesce(jsonb_object_agg(t.code, t.points), '{}') FROM (
            SELECT l.activity_code AS code, sum(l.delta_points) AS points FROM public.points_ledger l
            WHERE l.user_id = person GROUP BY l.activity_code) t);
        approvals := (
          SELECT coalesce(jsonb_object_agg(t.code, t.approvals), '{}') FROM (
            SELECT s.activity_code AS code, count(*) AS approvals FROM public.submissions s
            WHERE s.user_id = person AND s.status = 'APPROVED' GROUP BY s.activity_code) t);
      END IF;
      CONTINUE WHEN NOT public.badge_met(criteria, points, approvals);
      INSERT INTO public.earned_badges (user_id, badge_code) VALUES (person, badge) ON CONFLICT DO NOTHING;
      CONTINUE WHEN NOT FOUND;
      INSERT INTO public.audit_log (action, target_type, target_id, details, request_id)
      VALUES ('badge.grant', 'user', person, jsonb_build_object('badge', badge), request);
      RETURN NEXT;
    END LOOP;
  END LOOP;
END
$$
