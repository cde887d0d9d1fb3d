-- drop: DROP FUNCTION fold_grants(totals_state)
-- Folds the count of Kajabi grants, which are LEARN's micro-credentials.
CREATE OR REPLACE FUNCTION fold_grants(state totals_state) RETURNS totals_state
LANGUAGE plpgsql
AS $$
DECLARE
  granted bigint;
BEGIN
  WITH notes AS (DELETE FROM grant_changes RETURNING sign)
  SELECT coalesce(sum(sign), 0) INTO granted FROM notes;
  IF granted <> 0 THEN
    INSERT INTO stage_totals AS t (activity_code, micro_credentials) VALUES ('LEARN', granted)
    ON CONFLICT (activity_code) DO UPDATE SET micro_credentials = t.micro_credentials + EXCLUDED.micro_credentials;
    state.version_submissions := state.version_submissions + 1;
  END IF;
  RETURN state;
END
$$
