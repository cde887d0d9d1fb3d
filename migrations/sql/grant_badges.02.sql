-- drop: DROP FUNCTION grant_badges(text[], text)
-- Gives these people, who are locked, every badge whose criteria they meet now, with an audit row each; a row per badge
-- that was given. Called in the transaction of the row that earns it, after that row. What somebody has is summed once,
-- and only while there is a badge that they have not. One person's are looked at in a loop, as the statement for many
-- takes longer to start than that takes to run; a hundred people's take half as long in it as in loops.
CREATE OR REPLACE FUNCTION grant_badges(people text[], request text) RETURNS TABLE (person text, badge text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  somebody CONSTANT text := people[1];
  candidate record;
  points jsonb;
  approvals jsonb;
BEGIN
  IF cardinality(people) > 1 THEN
    RETURN QUERY
    WITH candidates AS MATERIALIZED (
      SELECT p.person, b.code, b.criteria
      FROM unnest(people) AS p (person) CROSS JOIN public.badges b
      WHERE b.active AND b.criteria <> '{}'
        AND NOT EXISTS (SELECT FROM public.earned_badges e WHERE e.user_id = p.person AND e.badge_code = b.code)
    ), facts AS MATERIALIZED (
      SELECT c.person,
        (SELECT coalesce(jsonb_object_agg(t.code, t.points), '{}') FROM (
           SELECT l.activity_code AS code, sum(l.delta_points) AS points FROM public.points_ledger l
           WHERE l.user_id = c.person GROUP BY l.activity_code) t) AS points,
        (SELECT coalesce(jsonb_object_agg(t.code, t.approvals), '{}') FROM (
           SELECT s.activity_code AS code, count(*) AS approvals FROM public.submissions s
           WHERE s.user_id = c.person AND s.status = 'APPROVED' GROUP BY s.activity_code) t) AS approvals
      FROM (SELECT DISTINCT person FROM candidates) c
    ), earned AS (
      INSERT INTO public.earned_badges (user_id, badge_code)
      SELECT c.person, c.code FROM candidates c JOIN facts f USING (person)
      WHERE public.badge_met(c.criteria, f.points, f.approvals)
      ON CONFLICT DO NOTHING
      RETURNING user_id, badge_code
    ), told AS (
      INSERT INTO public.audit_log (action, target_type, target_id, details, request_id)
      SELECT 'badge.grant', 'user', e.user_id, jsonb_build_object('badge', e.badge_code), request FROM earned e
    )
    SELECT e.user_id, e.badge_code FROM earned e;
    RETURN;
  END IF;
  FOR candidate IN
    SELECT b.code, b.criteria FROM public.badges b
    WHERE b.active AND b.criteria <> '{}'
      AND NOT EXISTS (SELECT FROM public.earned_badges e WHERE e.user_id = somebody AND e.badge_code = b.code)
    ORDER BY b.code
  LOOP
    IF points IS NULL THEN
      SELECT coalesce(jsonb_object_agg(t.code, t.points), '{}') INTO points FROM (
        SELECT l.activity_code AS code, sum(l.delta_points) AS points FROM public.points_ledger l
        WHERE l.user_id = somebody GROUP BY l.activity_code) t;
      SELECT coalesce(jsonb_object_agg(t.code, t.approvals), '{}') INTO approvals FROM (
        SELECT s.activity_code AS code, count(*) AS approvals FROM public.submissions s
        WHERE s.user_id = somebody AND s.status = 'APPROVED' GROUP BY s.activity_code) t;
    END IF;
    CONTINUE WHEN NOT public.badge_met(candidate.criteria, points, approvals);
    INSERT INTO public.earned_badges (user_id, badge_code) VALUES (somebody, candidate.code) ON CONFLICT DO NOTHING;
    CONTINUE WHEN NOT FOUND;
    INSERT INTO public.audit_log (action, target_type, target_id, details, request_id)
    VALUES ('badge.grant', 'user', somebody, jsonb_build_object('badge', candidate.code), request);
    person := somebody;
    badge := candidate.code;
    RETURN NEXT;
  END LOOP;
END
$$
