-- drop: DROP FUNCTION usable_timezone(text)
-- The programme's zone, or another one while the setting names none that exists: totals of people do not depend on it.
CREATE OR REPLACE FUNCTION usable_timezone(otherwise text) RETURNS text
LANGUAGE plpgsql STABLE
AS $$
BEGIN
  PERFORM now() AT TIME ZONE public.program_timezone();
  RETURN public.program_timezone();
EXCEPTION WHEN invalid_parameter_value THEN
  RETURN otherwise;
END
$$
