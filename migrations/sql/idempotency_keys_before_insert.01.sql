-- drop: DROP FUNCTION idempotency_keys_before_insert()
-- No answer is kept for who has been erased: an erasure removes the answers of a person, and their own request may be
-- under way then, holding the lock of somebody else. Whoever keeps an answer and who erases its owner take turns here:
-- the one sees `erased_at`, the other the answer.
-- Not by a lock of the owner's row, which two administrators who correct each other would take crosswise. This one is
-- taken last: behind it there is only the commit.
CREATE OR REPLACE FUNCTION idempotency_keys_before_insert() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  IF public.restoring() THEN
    RETURN NEW;
  END IF;
  PERFORM public.require_read_committed();
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('elevate:answers:' || NEW.user_id, 0));
  PERFORM 1 FROM public.users WHERE id = NEW.user_id AND erased_at IS NOT NULL;
  IF FOUND THEN
    RAISE EXCEPTION 'nothing is kept for who has been erased'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'idempotency_keys_owner_erased', TABLE = TG_TABLE_NAME;
  END IF;
  RETURN NEW;
END
$$
