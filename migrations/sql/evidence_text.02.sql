-- drop: DROP FUNCTION evidence_text(jsonb)
-- A fingerprint of an EXPLORE reflection that survives changes of case, punctuation and white space. NULL where there
-- is none. Indexed, so it stays IMMUTABLE and reads nothing, and answers what it always did.
-- Every decision asks it again, as the row gets a new place in its indexes. What parts most words is taken out first: the
-- expression would be started once for each of them, ten times as long as all of the rest takes.
CREATE OR REPLACE FUNCTION evidence_text(payload jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT md5(nullif(regexp_replace(
    replace(replace(replace(lower(payload ->> 'reflection'), ' ', ''), ',', ''), '.', ''), '\W+', '', 'g'), ''))
$$
