-- drop: DROP FUNCTION rebuild_days(date)
-- A part of rebuild_totals: the days, from what it has counted.
CREATE OR REPLACE FUNCTION rebuild_days(since date) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  DELETE FROM day_totals;
  INSERT INTO day_totals (day, activity_code, submissions, approved, rejected, points, entries, people)
  SELECT day, activity_code, coalesce(sum(submissions), 0), coalesce(sum(approved), 0), coalesce(sum(rejected), 0),
         coalesce(sum(points), 0), coalesce(sum(entries), 0), coalesce(sum(people), 0)
  FROM (
    SELECT day, activity_code, NULL::bigint AS submissions, NULL::bigint AS approved, NULL::bigint AS rejected, points,
           entries, NULL::bigint AS people FROM rebuilt_days
    UNION ALL
    SELECT day, activity_code, submissions, NULL, NULL, NULL, NULL, NULL FROM rebuilt_submissions WHERE kind = 'made'
    UNION ALL
    SELECT day, activity_code, NULL, CASE WHEN status <> 'REJECTED' THEN submissions END,
           CASE WHEN status = 'REJECTED' THEN submissions END, NULL, NULL, NULL
    FROM rebuilt_submissions WHERE kind = 'reviewed'
    UNION ALL
    SELECT day, activity_code, NULL, NULL, NULL, NULL, NULL, submissions FROM rebuilt_submissions WHERE kind = 'people'
  ) parts
  WHERE day >= since GROUP BY day, activity_code;
END
$$
