-- drop: DROP FUNCTION app_limit(text, integer)
-- A numeric limit from app_settings, or the rule's own number where somebody removed the row. PL/pgSQL keeps the plan,
-- which an SQL function makes anew at every call.
CREATE OR REPLACE FUNCTION app_limit(name text, fallback integer) RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
  RETURN coalesce((SELECT (value #>> '{}')::integer FROM public.app_settings WHERE key = name), fallback);
END
$$
