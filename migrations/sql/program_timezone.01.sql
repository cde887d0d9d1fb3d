-- drop: DROP FUNCTION program_timezone()
-- The zone that days are counted in. Qualified: REFRESH runs its query under an empty search_path.
CREATE OR REPLACE FUNCTION program_timezone() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT coalesce((SELECT value #>> '{}' FROM public.app_settings WHERE key = 'program_timezone'), 'Asia/Jakarta')
$$
