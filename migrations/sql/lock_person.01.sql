-- drop: DROP FUNCTION lock_person(text)
-- Everything that changes what a person has earned or claimed takes this lock first, so it happens one after the
-- other. FOR NO KEY UPDATE lets foreign key checks of unrelated rows pass. Under REPEATABLE READ the sums read after
-- the lock would still be those of before it, so that level is refused (SERIALIZABLE detects the conflict itself).
CREATE OR REPLACE FUNCTION lock_person(person text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  IF current_setting('transaction_isolation') = 'repeatable read' THEN
    RAISE EXCEPTION 'rules on sums cannot be judged under REPEATABLE READ, use READ COMMITTED'
      USING ERRCODE = 'invalid_transaction_state';
  END IF;
  PERFORM 1 FROM public.users WHERE id = person FOR NO KEY UPDATE;
END
$$
