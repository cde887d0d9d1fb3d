-- drop: DROP FUNCTION caller_verdict(users, text, timestamptz, text, boolean, text, text)
-- The guard of a statement that is a whole request: may this caller do what needs that role? Judged on the row itself,
-- in the transaction of the effect, so that a role taken away or a suspension holds from its commit on.
-- 'ok', or why not: erased, suspended, forbidden; unknown and changed are for `users.arrival`, which makes the row or
-- writes what the token newly says of its owner (the rules of its _changes; no `said_at`: that has been done).
CREATE OR REPLACE FUNCTION caller_verdict(
  person users, needed text, said_at timestamptz, mail text, mail_verified boolean, picture text, full_name text
) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
  SELECT CASE
    WHEN (person).id IS NULL THEN 'unknown'
    WHEN (person).erased_at IS NOT NULL THEN 'erased'
    WHEN (person).suspended_at IS NOT NULL THEN 'suspended'
    WHEN said_at IS NOT NULL
      AND ((person).clerk_updated_at IS NULL OR said_at >= (person).clerk_updated_at)
      AND (mail IS NOT NULL AND (mail, mail_verified) IS DISTINCT FROM ((person).email, (person).email_verified)
        OR picture IS NOT NULL AND picture IS DISTINCT FROM (person).avatar_url
        OR full_name IS NOT NULL AND (person).name = '') THEN 'changed'
    WHEN array_position('{PARTICIPANT,REVIEWER,ADMIN,SUPERADMIN}', (person).role)
       < array_position('{PARTICIPANT,REVIEWER,ADMIN,SUPERADMIN}', needed) THEN 'forbidden'
    ELSE 'ok'
  END
$$
