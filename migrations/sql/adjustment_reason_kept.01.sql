-- drop: DROP FUNCTION adjustment_reason_kept()
-- The reason of an adjustment is an administrator's own words about a person: the one thing in an append-only table
-- that an erasure has to remove. Nobody else changes it.
CREATE OR REPLACE FUNCTION adjustment_reason_kept() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  IF NOT public.restoring() THEN
    RAISE EXCEPTION '% is append-only: % is refused, write a compensating row', TG_TABLE_NAME, TG_OP
      USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only', TABLE = TG_TABLE_NAME;
  END IF;
  RETURN NULL;
END
$$
