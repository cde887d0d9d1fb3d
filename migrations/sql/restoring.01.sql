-- drop: DROP FUNCTION restoring()
-- True while an operator brings rows back as they were (`SET LOCAL elevate.restore = 'on'`). Anybody may set the
-- variable, so it counts only for a role that owns the tables; the service's own role does not.
CREATE OR REPLACE FUNCTION restoring() RETURNS boolean
LANGUAGE sql STABLE
AS $$
  SELECT coalesce(current_setting('elevate.restore', true), '') = 'on'
     AND pg_has_role(current_user, (SELECT relowner FROM pg_catalog.pg_class WHERE oid = 'public.submissions'::regclass), 'MEMBER')
$$
