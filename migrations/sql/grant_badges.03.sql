-- drop: DROP FUNCTION grant_badges(text[], text)
-- Gives these people, who are locked, every badge whose criteria they meet now, with an audit row each; a row per badge
-- that was given. Called in the transaction of the row that earns it, after that row. What they have is summed for all
-- at once, and only for those who have not every badge. A single person has grant_badges_of, which starts sooner; a
-- hundred people's badges take half as long here.
CREATE OR REPLACE FUNCTION grant_badges(people text[], request text) RETURNS TABLE (person text, badge text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
  IF cardinality(people) = 1 THEN
    RETURN QUERY SELECT people[1], code FROM unnest(public.grant_badges_of(people[1], request)) AS code;
    RETURN;
  END IF;
  RETURN QUERY
  WITH candidates AS MATERIALIZED (
    SELECT p.person, b.code, b.criteria
    FROM unnest(people) AS p (person) CROSS JOIN public.badges b
    WHERE b.active AND b.criteria <> '{}'
      AND NOT EXISTS (SELECT FROM public.earned_badges e WHERE e.user_id = p.person AND e.badge_code = b.code)
  ), points AS MATERIALIZED (
    SELECT t.person, jsonb_object_agg(t.code, t.points) AS by_stage FROM (
      SELECT l.user_id AS person, l.activity_code AS code, sum(l.delta_points) AS points FROM public.points_ledger l
      WHERE l.user_id = ANY (ARRAY(SELECT DISTINCT person FROM candidates)) GROUP BY l.user_id, l.activity_code) t
    GROUP BY t.person
  ), approvals AS MATERIALIZED (
    SELECT t.person, jsonb_object_agg(t.code, t.approvals) AS by_stage FROM (
      SELECT s.user_id AS person, s.activity_code AS code, count(*) AS approvals FROM public.submissions s
      WHERE s.user_id = ANY (ARRAY(SELECT DISTINCT person FROM candidates)) AND s.status = 'APPROVED'
      GROUP BY s.user_id, s.activity_code) t
    GROUP BY t.person
  ), earned AS (
    INSERT INTO public.earned_badges (user_id, badge_code)
    SELECT c.person, c.code FROM candidates c LEFT JOIN points p USING (person) LEFT JOIN approvals a USING (person)
    WHERE public.badge_met(c.criteria, coalesce(p.by_stage, '{}'), coalesce(a.by_stage, '{}'))
    ON CONFLICT DO NOTHING
    RETURNING user_id, badge_code
  ), told AS (
    INSERT INTO public.audit_log (action, target_type, target_id, details, request_id)
    SELECT 'badge.grant', 'user', e.user_id, jsonb_build_object('badge', e.badge_code), request FROM earned e
  )
  SELECT e.user_id, e.badge_code FROM earned e;
END
$$
