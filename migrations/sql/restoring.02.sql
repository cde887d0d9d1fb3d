-- drop: DROP FUNCTION restoring()
-- True while an operator brings rows back as they were (`SET LOCAL elevate.restore = 'on'`). Anybody may set the
-- variable, so it counts only for a role that owns the tables; the service's own role does not.
-- Every written submission asks, and hardly ever is it so: PL/pgSQL answers that without planning a query, which an SQL
-- function does at every call.
CREATE OR REPLACE FUNCTION restoring() RETURNS boolean
LANGUAGE plpgsql STABLE
AS $$
BEGIN
  IF coalesce(current_setting('elevate.restore', true), '') <> 'on' THEN
    RETURN false;
  END IF;
  RETURN pg_has_role(
    current_user, (SELECT relowner FROM pg_catalog.pg_class WHERE oid = 'public.submissions'::regclass), 'MEMBER');
END
$$
