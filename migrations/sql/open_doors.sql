-- What access.sql should have closed and has not; a row a finding. Tables, views and functions of extensions are theirs.
WITH relations AS (
  SELECT c.* FROM pg_catalog.pg_class c
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
), functions AS (
  SELECT p.* FROM pg_catalog.pg_proc p
  WHERE p.pronamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
), strangers AS (
  SELECT oid, rolname FROM pg_catalog.pg_roles WHERE rolname IN ('anon', 'authenticated')
  UNION ALL SELECT 0, 'PUBLIC'
)
SELECT format('table %I: no row level security', relname) FROM relations
WHERE relkind IN ('r', 'p') AND NOT relrowsecurity
UNION ALL
SELECT format('table %I: no policy for the service', r.relname) FROM relations r
WHERE r.relkind IN ('r', 'p') AND EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'elevate_app')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy p
                  WHERE p.polrelid = r.oid AND p.polroles = ARRAY['elevate_app'::regrole::oid])
UNION ALL
SELECT format('table %I: policy %I lets in others than the service', r.relname, p.polname)
FROM relations r JOIN pg_catalog.pg_policy p ON p.polrelid = r.oid
WHERE EXISTS (SELECT FROM unnest(p.polroles) AS member (oid)
              WHERE member.oid = 0 OR member.oid::regrole::text <> 'elevate_app')
UNION ALL
SELECT format('%s %I: %s granted to %s', CASE r.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' WHEN 'S' THEN 'sequence' ELSE 'table' END,
              r.relname, string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type), s.rolname)
FROM relations r, aclexplode(r.relacl) a, strangers s
WHERE a.grantee = s.oid GROUP BY r.relkind, r.relname, s.rolname
UNION ALL
SELECT format('function %s: granted to %s', f.oid::regprocedure, s.rolname)
FROM functions f, aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) a, strangers s
WHERE a.grantee = s.oid
UNION ALL
SELECT format('function %s: runs as its owner under the caller''s search path', oid::regprocedure) FROM functions
WHERE prosecdef AND NOT EXISTS (SELECT FROM unnest(proconfig) AS setting (it) WHERE setting.it LIKE 'search_path=%')
ORDER BY 1
