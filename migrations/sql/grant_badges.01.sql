-- drop: DROP FUNCTION grant_badges(text[], text)
-- Gives these people, who are locked, every badge whose criteria they meet now, with an audit row each; a row per badge
-- that was given. Called in the transaction of the row that earns it, after that row.
CREATE OR REPLACE FUNCTION grant_badges(people text[], request text) RETURNS TABLE (person text, badge text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH open AS (
    SELECT p.id, b.code, b.criteria FROM unnest(people) AS p (id), public.badges b
    WHERE b.active AND b.criteria <> '{}'
      AND NOT EXISTS (SELECT FROM public.earned_badges e WHERE e.user_id = p.id AND e.badge_code = b.code)
  ), facts AS (
    SELECT o.id, coalesce(l.points, '{}') AS points, coalesce(s.approvals, '{}') AS approvals
    FROM (SELECT DISTINCT id FROM open) o
    CROSS JOIN LATERAL (
      SELECT jsonb_object_agg(activity_code, points) AS points FROM (
        SELECT activity_code, sum(delta_points) AS points FROM public.points_ledger WHERE user_id = o.id GROUP BY 1) t
    ) l
    CROSS JOIN LATERAL (
      SELECT jsonb_object_agg(activity_code, approvals) AS approvals FROM (
        SELECT activity_code, count(*) AS approvals FROM public.submissions
        WHERE user_id = o.id AND status = 'APPROVED' GROUP BY 1) t
    ) s
  ), given AS (
    INSERT INTO public.earned_badges AS e (user_id, badge_code)
    SELECT o.id, o.code FROM open o JOIN facts f ON f.id = o.id
    WHERE public.badge_met(o.criteria, f.points, f.approvals) ORDER BY o.id, o.code
    ON CONFLICT DO NOTHING RETURNING e.user_id, e.badge_code
  ), told AS (
    INSERT INTO public.audit_log (action, target_type, target_id, details, request_id)
    SELECT 'badge.grant', 'user', user_id, jsonb_build_object('badge', badge_code), request FROM given
    ORDER BY user_id, badge_code
  )
  SELECT user_id, badge_code FROM given;
END
$$
