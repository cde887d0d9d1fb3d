-- drop: DROP FUNCTION user_totals_indexes(text)
-- The key of a table of totals, and the boards: all time and 30 days, each for everybody, a cohort and a school.
-- Only who is on the board is in them, so that a page is the first rows of an index.
CREATE OR REPLACE FUNCTION user_totals_indexes(name text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  points text;
  board text;
  filter text;
BEGIN
  EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I PRIMARY KEY (user_id)', name, name || '_pkey');
  FOREACH points IN ARRAY ARRAY['total_points', 'points_30d'] LOOP
    FOREACH filter IN ARRAY ARRAY['', 'cohort', 'school'] LOOP
      board := concat_ws('_', name, CASE points WHEN 'total_points' THEN 'all' ELSE '30d' END, nullif(filter, ''), 'idx');
      EXECUTE format('CREATE INDEX %I ON %I (%s%I DESC, reached_at, user_id) WHERE on_board AND %I > 0',
                     board, name, CASE filter WHEN '' THEN '' ELSE filter || ', ' END, points, points);
    END LOOP;
  END LOOP;
END
$$
