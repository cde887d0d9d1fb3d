-- drop: DROP FUNCTION ledger_unsealed(uuid, integer)
-- Looks at the next `most` rows of the ledger after the id `after`: how many there were, the last one's id, and which
-- of them are in no batch. A look costs what it looks at, however large the ledger is.
CREATE OR REPLACE FUNCTION ledger_unsealed(after uuid, most integer, OUT through uuid, OUT seen integer, OUT fresh uuid[])
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
DECLARE
  looked uuid[];
BEGIN
  looked := ARRAY(SELECT id FROM points_ledger WHERE id > after ORDER BY id LIMIT most);
  seen := cardinality(looked);
  through := looked[seen];
  fresh := ARRAY(
    SELECT unnest(looked)
    EXCEPT
    SELECT unnest(ids) FROM ledger_seals WHERE last_id > after AND first_id <= through
    ORDER BY 1);
END
$$
