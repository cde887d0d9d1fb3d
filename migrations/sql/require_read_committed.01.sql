-- drop: DROP FUNCTION require_read_committed()
-- Called before a rule is judged on a sum or a count behind a lock. Under a higher isolation level the rows read after
-- the wait would still be those of before it. SERIALIZABLE notices only what other SERIALIZABLE transactions do, and
-- the service's are not, so that level is refused as well.
CREATE OR REPLACE FUNCTION require_read_committed() RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
    RAISE EXCEPTION 'rules on sums cannot be judged under %, use READ COMMITTED',
      upper(current_setting('transaction_isolation')) USING ERRCODE = 'invalid_transaction_state';
  END IF;
END
$$
