-- drop: DROP FUNCTION evidence_text(jsonb)
-- A fingerprint of an EXPLORE reflection that survives changes of case, punctuation and white space. NULL where there
-- is none. Indexed, so it stays IMMUTABLE and reads nothing.
CREATE OR REPLACE FUNCTION evidence_text(payload jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT md5(nullif(regexp_replace(lower(payload ->> 'reflection'), '\W+', '', 'g'), ''))
$$
