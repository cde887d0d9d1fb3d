-- drop: DROP FUNCTION payload_count(jsonb, text)
-- A count of people in a payload; NULL where it is missing or no small whole number, never an error.
CREATE OR REPLACE FUNCTION payload_count(payload jsonb, key text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE WHEN jsonb_typeof(payload -> key) = 'number' AND payload ->> key ~ '^[0-9]{1,6}$'
              THEN (payload ->> key)::integer END
$$
