-- drop: DROP FUNCTION get_user_point_summary(text)
-- The manual's summary of one person: a row per stage, ledger and submissions summed separately before they meet
-- (joining them first multiplies points).
CREATE OR REPLACE FUNCTION get_user_point_summary(person text)
RETURNS TABLE (activity_code text, activity_name text, total_points bigint, entries bigint,
               submissions bigint, approved bigint, pending bigint, last_points_at timestamptz)
LANGUAGE sql STABLE
AS $$
  SELECT a.code, a.name, coalesce(l.total_points, 0), coalesce(l.entries, 0),
         coalesce(s.submissions, 0), coalesce(s.approved, 0), coalesce(s.pending, 0), l.last_points_at
  FROM public.activities a
  LEFT JOIN (
    SELECT p.activity_code, sum(p.delta_points)::bigint AS total_points, count(*) AS entries,
           max(p.created_at) AS last_points_at
    FROM public.points_ledger p WHERE p.user_id = person GROUP BY p.activity_code
  ) l ON l.activity_code = a.code
  LEFT JOIN (
    SELECT b.activity_code, count(*) AS submissions, count(*) FILTER (WHERE b.status = 'APPROVED') AS approved,
           count(*) FILTER (WHERE b.status = 'PENDING') AS pending
    FROM public.submissions b WHERE b.user_id = person GROUP BY b.activity_code
  ) s ON s.activity_code = a.code
  ORDER BY a.position, a.code
$$
