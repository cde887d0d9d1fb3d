-- drop: DROP FUNCTION totals_need_rebuild(totals_state)
-- Why the totals have to be counted anew; NULL when they can be folded.
CREATE OR REPLACE FUNCTION totals_need_rebuild(state totals_state) RETURNS text
LANGUAGE plpgsql
AS $$
BEGIN
  RETURN CASE
    WHEN state.folded IS NULL THEN 'never counted'
    WHEN totals_are_foreign(state) THEN 'another cluster, or an older state of it'
    WHEN state.timezone <> usable_timezone(state.timezone) THEN 'another time zone'
    ELSE (SELECT reason FROM rebuild_requests LIMIT 1)
  END;
END
$$
