-- drop: DROP FUNCTION rebuild_ledger(date, text, text)
-- A part of rebuild_totals: the ledger by stage and day, of the rows that `counted` names; a row without a day is of
-- what lies before the first: so few groups that processors count them apart, the rest is found by an index.
CREATE OR REPLACE FUNCTION rebuild_ledger(first_day date, zone text, counted text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  DROP TABLE IF EXISTS pg_temp.rebuilt_ledger;
  EXECUTE format($query$
    CREATE TEMP TABLE rebuilt_ledger ON COMMIT DROP AS
    SELECT activity_code, NULL::date AS day, sum(delta_points) AS points, count(*) AS entries
    FROM points_ledger WHERE created_at < %1$L AND %3$s GROUP BY 1
    UNION ALL
    SELECT activity_code, (created_at AT TIME ZONE %2$L)::date, sum(delta_points), count(*)
    FROM points_ledger WHERE created_at >= %1$L AND %3$s GROUP BY 1, 2
  $query$, first_day::timestamp AT TIME ZONE zone, zone, counted);
END
$$
