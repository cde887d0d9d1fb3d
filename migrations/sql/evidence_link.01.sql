-- drop: DROP FUNCTION evidence_link(jsonb)
-- The post that a PRESENT submission names, without what makes the same post look different: case, query, fragment,
-- closing slashes. NULL where there is none. Indexed, so it stays IMMUTABLE and reads nothing.
CREATE OR REPLACE FUNCTION evidence_link(payload jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT nullif(rtrim(regexp_replace(lower(payload ->> 'linkedinUrl'), '[?#].*$', ''), '/'), '')
$$
