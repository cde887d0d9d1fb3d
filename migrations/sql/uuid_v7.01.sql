-- drop: DROP FUNCTION uuid_v7()
-- Time-ordered ids (RFC 9562): 48 bits of milliseconds in front of gen_random_uuid's random bits, version set to 7.
-- PostgreSQL has uuidv7() of its own only from 18 on.
CREATE OR REPLACE FUNCTION uuid_v7() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$
  SELECT encode(
    set_bit(
      set_bit(
        overlay(uuid_send(gen_random_uuid())
                PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                FROM 1 FOR 6),
        52, 1),
      53, 1),
    'hex')::uuid
$$
