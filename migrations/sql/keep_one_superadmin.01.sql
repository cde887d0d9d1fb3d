-- drop: DROP FUNCTION keep_one_superadmin()
-- The last SUPERADMIN cannot be demoted, erased or removed. The advisory lock makes two demotions of
-- the last two wait for each other; the count after it sees what the first one committed. A suspended one is no
-- other: nobody could sign in as them.
CREATE OR REPLACE FUNCTION keep_one_superadmin() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.role = 'SUPERADMIN' AND NEW.erased_at IS NULL THEN
    RETURN NEW;
  END IF;
  PERFORM public.require_read_committed();
  PERFORM pg_advisory_xact_lock(hashtextextended('elevate:superadmin', 0));
  PERFORM 1 FROM public.users
  WHERE role = 'SUPERADMIN' AND erased_at IS NULL AND suspended_at IS NULL AND id <> OLD.id LIMIT 1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the last SUPERADMIN stays'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'users_last_superadmin', TABLE = 'users';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$
