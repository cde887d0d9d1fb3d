-- drop: DROP FUNCTION payload_count(jsonb, text)
-- A count of people in a payload; NULL where it is missing or no small whole number, never an error.
-- PL/pgSQL: two generated columns call it, and PostgreSQL would parse an SQL function again, to inline it, in every
-- statement that writes a submission.
CREATE OR REPLACE FUNCTION payload_count(payload jsonb, key text) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
  RETURN CASE WHEN jsonb_typeof(payload -> key) = 'number' AND payload ->> key ~ '^[0-9]{1,6}$'
              THEN (payload ->> key)::integer END;
END
$$
