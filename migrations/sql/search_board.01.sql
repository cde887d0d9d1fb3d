-- drop: DROP FUNCTION search_board(text, integer, text, text, text, bigint, timestamptz, text)
-- Up to `wanted` people of a board ('all' or '30d') whose name, handle or school holds `pattern`, best first: all, or
-- those of a cohort or a school, from the top or below a place.
-- A common word is found by looking down the board, a rare one by the trigram indexes; both find all there are. Few
-- places first: a word that nobody bears there has few enough people to be sorted. What a look finds are the first of
-- what a longer one finds, so each goes on where the one before stopped.
-- By place, not by a join: the planner knows nothing of how common a word is and would read everybody.
CREATE OR REPLACE FUNCTION search_board(
  board text, wanted integer, pattern text, in_cohort text, in_school text,
  after_points bigint, after_at timestamptz, after_id text)
RETURNS TABLE (
  user_id text, total_points bigint, reached_at timestamptz, cohort text, school text,
  handle text, name text, avatar_url text)
LANGUAGE plpgsql STABLE
SET jit = off
AS $$
DECLARE
  points CONSTANT text := CASE board WHEN 'all' THEN 'total_points' WHEN '30d' THEN 'points_30d' END;
  best_first CONSTANT text := 'total_points DESC, reached_at, user_id';
  shown CONSTANT text := 'u.erased_at IS NULL AND u.show_on_leaderboard AND u.role = ''PARTICIPANT''
    AND (u.name ILIKE $1 OR u.handle ILIKE $1 OR u.school ILIKE $1)';
  ranges text[] := ARRAY['true'];
  part text := '';
  place text;
  places text;
  was_all boolean;
  found integer := 0;
  more integer;
BEGIN
  IF in_cohort IS NOT NULL THEN
    part := part || ' AND b.cohort = $2';
  END IF;
  IF in_school IS NOT NULL THEN
    part := part || ' AND b.school = $3';
  END IF;
  IF after_points IS NOT NULL THEN
    -- The rest of that place's tie, then fewer points: one range with an OR would walk the tie from its start.
    ranges := ARRAY[format('b.%I = $4 AND (b.reached_at, b.user_id) > ($5, $6)', points), format('b.%I < $4', points)];
  END IF;
  FOREACH place IN ARRAY ARRAY['600', '4000'] LOOP
    SELECT string_agg(format(
      '(SELECT b.user_id, b.%1$I AS total_points, b.reached_at, b.cohort, b.school FROM user_totals b
        WHERE b.on_board AND b.%1$I > 0 AND %2$s%3$s ORDER BY b.%1$I DESC, b.reached_at, b.user_id LIMIT %4$s)',
      points, one, part, place), ' UNION ALL ') INTO places FROM unnest(ranges) AS one;
    RETURN QUERY EXECUTE format(
      'SELECT b.*, u.handle, u.name, u.avatar_url FROM (SELECT * FROM (%s) p ORDER BY %s LIMIT %s) b
       CROSS JOIN LATERAL (SELECT * FROM users u WHERE u.id = b.user_id AND %s OFFSET 0) u
       ORDER BY %s OFFSET %s LIMIT %s', places, best_first, place, shown, best_first, found, wanted - found)
      USING pattern, in_cohort, in_school, after_points, after_at, after_id;
    GET DIAGNOSTICS more = ROW_COUNT;
    found := found + more;
    IF found = wanted THEN
      RETURN;
    END IF;
    EXECUTE format('SELECT count(*) < %s FROM (%s) p', place, places) INTO was_all
      USING pattern, in_cohort, in_school, after_points, after_at, after_id;
    IF was_all THEN
      RETURN;
    END IF;
    EXIT WHEN found = 0;
  END LOOP;
  RETURN QUERY EXECUTE format(
    'SELECT b.user_id, b.%1$I, b.reached_at, b.cohort, b.school, u.handle, u.name, u.avatar_url
     FROM (SELECT * FROM users u WHERE user_search_text(u.name, u.handle, u.email) LIKE lower($1)
                                    OR lower(u.school) LIKE lower($1) OFFSET 0) u
     JOIN user_totals b ON b.user_id = u.id
     WHERE %2$s AND b.on_board AND b.%1$I > 0%3$s AND ((%4$s))
     ORDER BY b.%1$I DESC, b.reached_at, b.user_id OFFSET %5$s LIMIT %6$s',
    points, shown, part, array_to_string(ranges, ') OR ('), found, wanted - found)
    USING pattern, in_cohort, in_school, after_points, after_at, after_id;
END
$$
