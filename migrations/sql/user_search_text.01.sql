-- drop: DROP FUNCTION user_search_text(text, text, text)
-- What administrators search people by, a blank before each part: '% si%' finds what begins with "si".
-- Indexed by trigrams where pg_trgm is there, so it stays IMMUTABLE and reads nothing.
CREATE OR REPLACE FUNCTION user_search_text(name text, handle text, email text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT lower(' ' || name || ' ' || handle || coalesce(' ' || email, ''))
$$
