-- drop: DROP FUNCTION app_limit(text, integer)
-- A numeric limit from app_settings, or the rule's own number where somebody removed the row.
CREATE OR REPLACE FUNCTION app_limit(name text, fallback integer) RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT coalesce((SELECT (value #>> '{}')::integer FROM public.app_settings WHERE key = name), fallback)
$$
