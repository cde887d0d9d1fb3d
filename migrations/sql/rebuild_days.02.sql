-- drop: DROP FUNCTION rebuild_days(date)
-- A part of rebuild_totals: the days, from what it has counted.
CREATE OR REPLACE FUNCTION rebuild_days(since date) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  DELETE FROM day_totals;
  INSERT INTO day_totals (day, activity_code, submissions, approved, rejected, points, entries, people)
  SELECT day, activity_code, sum(submissions), sum(approved), sum(rejected), sum(points), sum(entries), sum(people)
  FROM (
    SELECT day, activity_code, 0 AS submissions, 0 AS approved, 0 AS rejected, points, entries, 0 AS people
    FROM rebuilt_ledger
    UNION ALL
    SELECT day, activity_code, submissions, 0, 0, 0, 0, people FROM rebuilt_submissions WHERE kind = 'made'
    UNION ALL
    SELECT day, activity_code, 0, CASE WHEN status <> 'REJECTED' THEN submissions ELSE 0 END,
           CASE WHEN status = 'REJECTED' THEN submissions ELSE 0 END, 0, 0, 0
    FROM rebuilt_submissions WHERE kind = 'reviewed'
  ) parts
  WHERE day >= since GROUP BY day, activity_code;
END
$$
