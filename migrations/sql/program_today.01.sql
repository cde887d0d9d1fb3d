-- drop: DROP FUNCTION program_today(text)
-- Today in a zone.
CREATE OR REPLACE FUNCTION program_today(zone text) RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT (now() AT TIME ZONE zone)::date
$$
