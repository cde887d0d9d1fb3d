-- drop: DROP FUNCTION append_only()
-- Statement trigger: refuses UPDATE, DELETE and TRUNCATE for everybody, the owner included. Corrections are new rows.
CREATE OR REPLACE FUNCTION append_only() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % is refused, write a compensating row', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only', TABLE = TG_TABLE_NAME;
END
$$
