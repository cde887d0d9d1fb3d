-- drop: DROP FUNCTION lock_person(text)
-- Everything that changes what a person has earned or claimed takes this lock first, so it happens one after the
-- other. FOR NO KEY UPDATE lets foreign key checks of unrelated rows pass.
CREATE OR REPLACE FUNCTION lock_person(person text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM public.require_read_committed();
  PERFORM 1 FROM public.users WHERE id = person FOR NO KEY UPDATE;
END
$$
